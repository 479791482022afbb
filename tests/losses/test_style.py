"""Style losses against their plain definitions, SciPy and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from imggen.errors import UserError
from imggen.losses import perceptual, sliced, style


@pytest.fixture(scope='module')
def features():
    """Features of two images and of their styles: [2, 5, 4, 3] and [2, 6, 7, 3]."""
    generator = np.random.default_rng(0)
    return (
        generator.normal(size=(2, 5, 4, 3)).astype(np.float32) + 0.5,
        generator.normal(size=(2, 6, 7, 3)).astype(np.float32) * 1.5,
    )


def means(features, **options):
    return style.means(style.moments(jnp.asarray(features), **options))


def target_of(name, *styles, weights=None):
    n, count = len(styles[0]), len(styles)
    statistic = style.STATISTICS[name]
    collected = [statistic.collect(jnp.asarray(one)) for one in styles]
    weights = jnp.ones((n, count)) if weights is None else jnp.asarray(weights)
    return statistic.target(jax.random.split(jax.random.key(0), n), collected, weights)


def loss_of(name, image, target):
    statistic = style.STATISTICS[name]
    return statistic.loss(statistic.collect(jnp.asarray(image)), target)


def test_gatys_loss_is_the_published_sum(features):
    image, _ = features
    target = image[::-1] + 1.0
    found = style.gram_absolute(means(image), means(target))[:, 0]
    for i in range(2):
        f, p = image[i].reshape(-1, 3).T, target[i].reshape(-1, 3).T
        n_l, m_l = f.shape
        expected = ((f @ f.T - p @ p.T) ** 2).sum() / (4 * n_l**2 * m_l**2)
        np.testing.assert_allclose(found[i], expected, rtol=1e-5)


def test_relative_losses_are_zero_at_the_style_and_independent_of_units(features):
    image, target = features
    for name in ('gram', 'mean_covariance', 'wasserstein', 'sliced'):
        loss = loss_of(name, image, target_of(name, target))
        scaled = loss_of(name, 10 * image, target_of(name, 10 * target))
        np.testing.assert_allclose(loss, scaled, rtol=1e-3, err_msg=name)
        itself = loss_of(name, target, target_of(name, target))
        np.testing.assert_allclose(itself, 0.0, atol=1e-5, err_msg=name)
        assert (loss > 0.01).all(), name


def test_gram_loss_of_zero_features_is_one(features):
    _, target = features
    np.testing.assert_allclose(style.gram(means(0 * target), means(target)), 1.0, rtol=1e-6)


def test_statistics_do_not_depend_on_the_order_of_positions(features):
    image, target = features
    shuffled = image.reshape(2, 20, 3)[:, np.random.default_rng(1).permutation(20)]
    for name in style.STATISTICS:
        goal = target_of(name, target)
        np.testing.assert_allclose(
            loss_of(name, image, goal),
            loss_of(name, shuffled.reshape(image.shape), goal),
            rtol=1e-4,
            err_msg=name,
        )


def test_wasserstein_is_that_of_two_normal_distributions(features):
    image, target = features
    found = style.wasserstein(means(image), style.gaussian_target(means(target)))[:, 0]
    for i in range(2):
        x, y = image[i].reshape(-1, 3), target[i].reshape(-1, 3)
        a, b = np.cov(x.T, bias=True), np.cov(y.T, bias=True)
        root = scipy.linalg.sqrtm(b)
        cross = np.trace(scipy.linalg.sqrtm(root @ a @ root)).real
        expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * cross
        expected /= (y.mean(0) ** 2).sum() + np.trace(b)
        np.testing.assert_allclose(found[i], expected, rtol=1e-4)


def test_gradient_of_the_root_matches_finite_differences_also_at_equal_eigenvalues():
    direction = np.diag([1.0, 0.5, -0.25]) + np.roll(np.eye(3), 1, 1) + np.roll(np.eye(3), 1, 0)
    for matrix in (np.diag([1.0, 2.0, 3.0]), 2 * np.eye(3)):
        exact = (jax.grad(style.root_trace)(jnp.float32(matrix)) * direction).sum()
        step = 1e-5
        ends = [np.trace(scipy.linalg.sqrtm(matrix + s * direction)) for s in (step, -step)]
        np.testing.assert_allclose(exact, (ends[0] - ends[1]).real / (2 * step), rtol=1e-3)


def test_gradients_of_constant_features_are_finite():
    flat = jnp.ones((1, 4, 4, 3))
    for goal in (np.random.default_rng(2).normal(size=(1, 4, 4, 3)), np.zeros((1, 4, 4, 3))):
        for name in style.STATISTICS:
            target = target_of(name, np.float32(goal))
            gradient = jax.grad(lambda x, n=name, t=target: loss_of(n, x, t).sum())(flat)
            assert jnp.isfinite(gradient).all(), name


def test_sliced_distance_and_its_gradient_are_those_of_sorted_projections(features):
    image, target = features  # 20 and 42 positions.
    goal = target_of('sliced', target)
    assert goal.directions.shape == (2, 3, 1)
    found, gradient = jax.value_and_grad(lambda x: loss_of('sliced', x, goal).sum())(image)
    expected, at = 0.0, (np.arange(20) + 0.5) / 20
    for i in range(2):
        direction = np.asarray(goal.directions[i, :, 0])
        np.testing.assert_allclose(np.linalg.norm(direction), 1.0, rtol=1e-5)
        whole = np.sort(target[i].reshape(-1, 3) @ direction)
        quantiles = np.quantile(whole, at, method='hazen')
        values = image[i].reshape(-1, 3) @ direction
        error = np.sort(values) - quantiles
        scale = np.square(whole).mean()
        expected += np.square(error).mean() / scale
        slopes = np.zeros(20)
        slopes[np.argsort(values)] = 2 * error / 20 / scale
        np.testing.assert_allclose(
            gradient[i].reshape(-1, 3), slopes[:, None] * direction, rtol=1e-3, atol=1e-5
        )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_sliced_styles_blend_to_their_barycenter(features):
    _, target = features
    shifted = np.concatenate([target, target], axis=1) + 1.0  # Other numbers of positions.
    first, both, second = (
        target_of('sliced', target, shifted, weights=np.float32([weights] * 2))
        for weights in ((1.0, 0.0), (2.0, 2.0), (0.0, 3.0))
    )
    np.testing.assert_allclose(
        both.quantiles, (first.quantiles + second.quantiles) / 2, rtol=1e-4, atol=1e-5
    )
    assert (loss_of('sliced', target, first) < 0.01).all()
    assert (loss_of('sliced', target, second) > 0.01).all()
    with pytest.raises(UserError, match='leave out the masks'):
        sliced.positions(jnp.asarray(target), weight=jnp.ones((1, 6, 7, 2)))


def test_styles_blend_as_their_images_side_by_side(features):
    image, _ = features
    other = image * 2.0 - 1.0
    blended = style.blend([means(image), means(other)], jnp.array([[1.0, 1.0], [2.0, 2.0]]))
    together = means(np.concatenate([image, other], axis=1))
    np.testing.assert_allclose(blended.first, together.first, rtol=1e-5)
    np.testing.assert_allclose(blended.second, together.second, rtol=1e-5)
    alone = style.blend([means(image), means(other)], jnp.array([[0.0, 3.0], [0.0, 3.0]]))
    np.testing.assert_allclose(alone.second, means(other).second, rtol=1e-5)


def test_regions_are_like_separate_images(features):
    image, _ = features
    weight = np.zeros((2, 5, 4, 2), np.float32)
    weight[:, :2, :, 0], weight[:, 2:, :, 1] = 1.0, 1.0
    found = style.moments(jnp.asarray(image), weight=jnp.asarray(weight))
    np.testing.assert_allclose(found.weight, [[8, 12]] * 2)
    apart = style.means(found)
    np.testing.assert_allclose(apart.second[:, :1], means(image[:, :2]).second, rtol=1e-5)
    np.testing.assert_allclose(apart.second[:, 1:], means(image[:, 2:]).second, rtol=1e-5)
    losses = jnp.array([[1.0, 2.0]] * 2)
    np.testing.assert_allclose(
        style.over_regions(losses, found.weight), 0.4 * 1 + 0.6 * 2, rtol=1e-6
    )
    whole = style.moments(jnp.asarray(image), weight=jnp.ones((1, 5, 4, 1)))
    np.testing.assert_allclose(style.means(whole).second, means(image).second, rtol=1e-5)


def test_total_variation_counts_steps_between_neighbors():
    images = np.zeros((2, 4, 4, 1), np.float32)
    images[1, :, 2:] = 0.5
    np.testing.assert_allclose(style.total_variation(jnp.asarray(images)), [0, 4 * 0.25 / 12])


def test_perceptual_loss_weighs_layers(features):
    a, b = (jnp.asarray(part[:, :5, :4]) for part in features)
    one, two = {'x': a, 'y': 2 * a}, {'x': b, 'y': 2 * b}
    distance = jnp.square(a - b).mean((1, 2, 3))
    np.testing.assert_allclose(perceptual.perceptual(one, two), 5 * distance, rtol=1e-5)
    weighted = perceptual.perceptual(one, two, weights={'y': 0.5})
    np.testing.assert_allclose(weighted, 2 * distance, rtol=1e-5)
