"""Augmentation of the input of a discriminator: changes, gradients and the controller."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import keys
from imggen.augmentation import adaptive, discriminator
from imggen.errors import UserError
from tests.helpers import cases

IMAGES = jax.random.uniform(jax.random.key(0), (6, 8, 10, 3), minval=-1.0, maxval=1.0)
KEYS = keys.per_image(jax.random.key(1), 6)


def augment(kinds, *, probability=1.0, images=IMAGES, image_keys=KEYS):
    changed = jax.jit(adaptive.augment, static_argnums=3)
    return changed(image_keys, images, jnp.float32(probability), tuple(kinds))


def test_nothing_happens_at_probability_zero():
    assert jnp.array_equal(augment(discriminator.KINDS, probability=0.0), IMAGES)


@pytest.mark.parametrize('kind', discriminator.KINDS)
def test_a_kind_is_applied_with_its_probability(kind):
    images = jnp.broadcast_to(IMAGES[:1], (400, *IMAGES.shape[1:]))
    image_keys = keys.per_image(jax.random.key(1), 400)
    changed = augment([kind], probability=0.5, images=images, image_keys=image_keys)
    share = float(jnp.any(jnp.abs(changed - images) > 1e-6, axis=(1, 2, 3)).mean())
    # Some draws change nothing: half of the flips, a quarter of the turns, no translation.
    expected = {'flip': 0.25, 'quarter_turn': 0.375, 'luma_flip': 0.25, 'translation': 4 / 9}
    assert abs(share - expected.get(kind, 0.5)) < 0.08


def test_an_image_depends_on_its_key_alone():
    kinds = ('rotation', 'color', 'cutout')
    few = augment(kinds, images=IMAGES[2:4], image_keys=KEYS[2:4])
    np.testing.assert_allclose(few, augment(kinds)[2:4], atol=1e-6)
    assert not jnp.allclose(augment(kinds), augment(kinds, image_keys=KEYS[::-1]))


def test_adding_a_kind_does_not_change_the_others():
    both = augment(['brightness', 'flip'])
    apart = augment(['brightness'], images=augment(['flip']))
    np.testing.assert_allclose(both, apart, atol=1e-6)


@pytest.mark.parametrize('kinds', [('flip',), ('quarter_turn',), ('translation', 'flip')])
def test_copied_pixels_keep_their_values(kinds):
    images = IMAGES[:, :, :8]  # A quarter turn of a square moves pixels onto pixels.
    known = np.append(np.asarray(images).ravel(), 0.0)  # Mid-gray surrounds the images.
    changed = np.asarray(augment(kinds, images=images)).ravel()
    assert np.abs(changed[:, None] - known[None]).min(1).max() < 1e-4


def test_colors_change_as_named():
    gray = IMAGES.mean(-1, keepdims=True)
    for kind in ('hue', 'saturation'):
        changed = augment([kind])
        np.testing.assert_allclose(changed.mean(-1, keepdims=True), gray, atol=1e-5)
        np.testing.assert_allclose(
            augment([kind], images=jnp.broadcast_to(gray, IMAGES.shape)),
            jnp.broadcast_to(gray, IMAGES.shape),
            atol=1e-5,
        )
    turned = augment(['hue']) - gray
    length = lambda x: jnp.linalg.norm(x, axis=-1)
    np.testing.assert_allclose(length(turned), length(IMAGES - gray), rtol=1e-4, atol=1e-5)
    added = augment(['brightness']) - IMAGES
    assert float(added.std((1, 2, 3)).max()) < 1e-6 and float(added.std()) > 0.05
    flipped = augment(['luma_flip'])
    happened = jnp.abs(flipped - IMAGES).max((1, 2, 3)) > 1e-6
    np.testing.assert_allclose(flipped.mean(-1)[happened], -IMAGES.mean(-1)[happened], atol=1e-5)
    one_channel = augment(['hue', 'saturation'], images=IMAGES[..., :1])
    assert jnp.array_equal(one_channel, IMAGES[..., :1])


def test_cutout_covers_at_most_a_quarter():
    holes = np.asarray((augment(['cutout'], images=jnp.ones((6, 8, 12, 1))) == 0).mean((1, 2, 3)))
    assert (holes > 0).all() and holes.max() <= 0.25 + 1e-6


def test_gradients_of_every_kind_agree_with_finite_differences():
    direction = jax.random.normal(jax.random.key(5), IMAGES.shape)
    weights = jax.random.normal(jax.random.key(6), IMAGES.shape)

    def total(t):
        return jnp.sum(weights * augment(discriminator.KINDS, images=IMAGES + t * direction))

    gradient, difference = jax.grad(total)(0.0), (total(0.5) - total(-0.5)) / 1.0
    assert abs(gradient) > 1e-3
    np.testing.assert_allclose(gradient, difference, rtol=1e-2)
    # Gradients also pass outside of [-1, 1], where an untrained generator may be.
    inside = jax.grad(lambda x: augment(['scale'], images=x).sum())(5.0 * IMAGES)
    assert (jnp.abs(inside).sum((1, 2, 3)) > 0).all()


OPTIONS = adaptive.Augmentation(
    kinds=('flip',), probability=0.0, target=0.6, adaptation_images=1000.0
)


def run_controller(signs, options=OPTIONS):
    control, probabilities = adaptive.start(options), []
    for step, sign in enumerate(signs):
        control = adaptive.adapt(
            control, options, jnp.float32(sign), jnp.int32(step), images_per_step=10
        )
        probabilities.append(float(control.probability))
    return probabilities


def test_the_controller_moves_every_fourth_step_towards_its_target():
    np.testing.assert_allclose(run_controller([1.0] * 8), [0, 0, 0, 0.04, 0.04, 0.04, 0.04, 0.08])
    # The mean over four steps counts; here it is 0.5, below the target.
    np.testing.assert_allclose(run_controller([1.0] * 4 + [1, 1, 0, 0])[-1], 0.0, atol=1e-7)
    assert run_controller([-1.0] * 8)[-1] == 0.0  # Not below 0,
    assert run_controller([1.0] * 200)[-1] == 1.0  # nor above 1.
    np.testing.assert_allclose(run_controller([0.6] * 8)[-1], 0.0, atol=0.05)


def test_the_probability_is_part_of_the_state_only_if_it_adapts():
    batch = cases.source().batch(0)
    for name, expected in (('gan_adaptive', True), ('gan_dcgan', False)):
        state = jax.eval_shape(cases.method(name).init, jax.random.key(0), (), batch)
        assert hasattr(state, 'control') == expected


def test_impossible_options_are_errors():
    with pytest.raises(UserError, match=r"names 'mirror'; there are flip,"):
        adaptive.Augmentation(kinds=('mirror',))
    with pytest.raises(UserError, match=r'probability is 1\.5'):
        adaptive.Augmentation(kinds=('flip',), probability=1.5)
    with pytest.raises(UserError, match='needs config'):
        adaptive.Augmentation(target=0.6)


def test_opacity_moves_with_the_colors_and_keeps_its_values():
    opacity = jnp.where(IMAGES[..., :1] > 0, 1.0, -1.0)
    color = jnp.broadcast_to(opacity, (*opacity.shape[:3], 3))
    both = jnp.concatenate([color, opacity], axis=-1)
    moved = augment(('flip', 'translation'), images=both)
    np.testing.assert_allclose(moved[..., 0], moved[..., 3], atol=1e-6)
    changes = ('brightness', 'contrast')
    changed = augment(changes, images=both)
    np.testing.assert_array_equal(changed[..., 3:], opacity)
    np.testing.assert_array_equal(changed[..., :3], augment(changes, images=color))
    assert np.abs(changed[..., :3] - color).mean() > 0.1
