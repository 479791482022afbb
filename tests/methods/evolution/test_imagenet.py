"""Evolution with classifiers of ImageNet, views of images, and what carries pictures in color."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data

from imggen import images, methods
from imggen.errors import UserError
from imggen.features import lite0
from imggen.methods.evolution import classifiers, encodings, problem, views


@pytest.fixture(scope='module')
def cat():
    """A photograph of a cat, 300x300."""
    return images.from_uint8(skimage.data.chelsea()[None, :, 75:375])


def load(name, **sizes):
    try:
        return classifiers.load(name, **sizes)
    except UserError as error:
        if 'are not installed' in str(error):
            pytest.skip(str(error))
        raise


def test_the_thousand_names_are_in_the_order_of_the_logits(cat):
    names = lite0.class_names()
    assert len(names) == len(set(names)) == 1000
    assert (names[0], names[285], names[980], names[999]) == (
        'tench',
        'Egyptian cat',
        'volcano',
        'toilet tissue',
    )


def test_a_deeper_network_of_the_family_sees_a_cat(cat):
    classifier = load('lite2', input_size=160)
    logits = jax.jit(classifier.logits)(classifier.params, cat)
    assert logits.shape == (1, 1000)
    assert classifier.class_names[np.argmax(logits[0])] in ('Egyptian cat', 'tabby', 'tiger cat')


def test_parts_give_the_same_rows_as_the_whole():
    """Also where the rows do not fill the last part."""
    small = problem.make({'classifier': 'dense'})
    parted = small._replace(classifier=small.classifier._replace(part=4))
    genomes = jax.random.uniform(jax.random.key(0), (10, 784), minval=-1.0)
    whole = jax.jit(small.genome_logits)(small.frozen, genomes)
    parts = jax.jit(parted.genome_logits)(parted.frozen, genomes)
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_two_classifiers_are_one_with_the_mean_of_their_logits():
    first, other = classifiers.load('dense'), classifiers.load('convolutional')
    order = [3, 1, 2, 0, *range(4, 10)]
    renamed = other._replace(
        class_names=tuple(other.class_names[index] for index in order),
        logits=lambda params, batch: other.logits(params, batch)[:, jnp.asarray(order)],
    )
    both = classifiers.joint(first, renamed)
    noise = jax.random.uniform(jax.random.key(0), (3, 28, 28, 1), minval=-1.0)
    mean = (first.logits(first.params, noise) + other.logits(other.params, noise)) / 2
    np.testing.assert_allclose(both.logits(both.params, noise), mean, atol=1e-5)
    assert both.architecture == 'dense+convolutional'
    assert classifiers.others(both) == []


def test_classifiers_with_different_classes_cannot_be_joined():
    first = classifiers.load('dense')
    fewer = first._replace(class_names=(*first.class_names[:-1], 'Hat'), architecture='hats')
    with pytest.raises(UserError, match="'hats' does not know the class 'Ankle boot' of 'dense'"):
        classifiers.joint(first, fewer)


@pytest.mark.parametrize('option', ['image_size', 'input_size'])
def test_a_size_that_the_network_cannot_meet_is_refused(option):
    with pytest.raises(UserError, match=f"{option}=16: the classifier 'lite0' takes 64 to 320"):
        classifiers.load('lite0', **{option: 16})


def test_more_chains_than_memory_holds_are_refused():
    load('lite0')
    section = {'classifier': 'lite0'}
    config = {'name': 'gradient_ascent', 'num_steps': 1, 'problem': section}
    method = methods.make(config)
    with pytest.raises(UserError, match=r'1000 classes with 1 chains .* name at most 167 classes'):
        jax.eval_shape(lambda: method.init(jax.random.key(0), method.frozen, {}))


def test_fourier_coefficients_are_the_spectrum_of_the_image():
    """Against NumPy, one coefficient at a time; and an empty spectrum is gray."""
    encoding = encodings.make('fourier', (6, 8, 3))
    genomes = np.asarray(jax.random.normal(jax.random.key(0), (2, encoding.size)))
    made = encoding.decode((), jnp.asarray(genomes))
    assert made.shape == (2, 6, 8, 3)
    parts = genomes.reshape(2, 2, 6, 5, 3)
    root = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
    root /= np.sqrt((root**2).sum(0)).max()
    for genome, image in zip(parts, made, strict=True):
        spectrum = genome[0] + 1j * genome[1]
        for row in range(6):
            for column in range(5):
                f = np.hypot(min(row, 6 - row) / 6, column / 8)
                spectrum[row, column] *= np.sqrt(1 / 16) / max(f, 1 / 8) ** 1.5
        channels = [np.fft.irfft2(spectrum[..., c], (6, 8), norm='ortho') / 4 for c in range(3)]
        rgb = 1 / (1 + np.exp(-np.stack(channels, -1) @ root.T))
        np.testing.assert_allclose(image, 2 * rgb - 1, atol=1e-5)
    np.testing.assert_array_equal(encoding.decode((), jnp.zeros((1, encoding.size))), 0.0)


def test_a_view_without_change_is_the_image_and_a_margin_is_gray():
    image = jax.random.uniform(jax.random.key(0), (2, 16, 16, 3), minval=-1.0)
    keys = jax.random.split(jax.random.key(1), 2)
    same = views.Views(margin=0, shift=0, scale=0.0, degrees=0)(keys, image)
    np.testing.assert_allclose(same, image, atol=1e-5)
    framed = views.Views(margin=4, shift=0, scale=0.0, degrees=0)(keys, image)
    np.testing.assert_allclose(framed[:, 0], 0.0, atol=1e-6)
    assert jnp.abs(framed[:, 4:-4, 4:-4]).min() > 0.0


def test_views_differ_by_key_and_stay_within_their_bounds():
    dot = jnp.zeros((200, 33, 33, 1)).at[:, 15:18, 15:18].set(1.0)
    keys = jax.random.split(jax.random.key(0), 200)
    seen = np.asarray(views.Views(margin=0, shift=5, scale=0.0, degrees=0)(keys, dot))[..., 0]
    y, x = np.mgrid[:33, :33]
    total = seen.sum((1, 2))
    where = np.stack([(seen * y).sum((1, 2)) / total, (seen * x).sum((1, 2)) / total])
    assert np.abs(where - 16).max() <= 5.01
    assert np.abs(where - 16).max(1).min() > 4.0
    assert len(np.unique(where[0].round(3))) > 150


def test_gradients_ascend_through_views():
    config = {
        'name': 'gradient_ascent',
        'num_steps': 1,
        'objective': 'logit',
        'views': {'margin': 1.0, 'shift': 1.0},
        'problem': {'classifier': 'dense', 'class_names': ('Bag', 'Coat')},
    }
    method = methods.make(config)
    step = jax.jit(method.phases[0].step)
    first = state = method.init(jax.random.key(0), method.frozen, {})
    for number in range(5):
        state, _ = step(jax.random.key(number), state, method.frozen, {})
    assert jnp.all(state.odds > first.odds + 1.0)
    plain = methods.make({**config, 'views': {}})
    other, _ = plain.phases[0].step(jax.random.key(0), first, plain.frozen, {})
    seen, _ = step(jax.random.key(0), first, method.frozen, {})
    assert not np.allclose(seen.genome, other.genome)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'class_names': ('Bag', '')}, "class_names='Bag,' has an empty name"),
        ({'class_names': ('Bag,',)}, "class_names='Bag,' has an empty name"),
        ({'also': 'foo'}, 'config.method.problem.also is neither one of .* nor a run: foo holds'),
    ],
)
def test_the_wrong_option_of_a_problem_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        problem.make({'classifier': 'dense', 'encoding': 'pixels', **changes})


@pytest.mark.parametrize('changes', [{'margin': -5.0}, {'degrees': -1.0}, {'scale': 1.0}])
def test_impossible_views_are_refused(changes):
    with pytest.raises(
        UserError, match=f'config.method.views.{next(iter(changes))}=.* set it to 0'
    ):
        views.Views(**changes)
