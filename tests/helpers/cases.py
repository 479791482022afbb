"""Every method at its smallest, with a batch: the tests of all methods run over these cases.

A method without a case of its own is run with its default options.
"""

import jax
import jax.numpy as jnp
import numpy as np

from imggen import keys, methods
from imggen.data.source import Source

BATCH_SIZE = 8


def _batch(key, shape):
    image_key, label_key = jax.random.split(key)
    image = jax.random.uniform(image_key, (BATCH_SIZE, *shape), minval=-1.0, maxval=1.0)
    label = jax.random.randint(label_key, (BATCH_SIZE,), 0, 10)
    return {'image': image, 'label': label, 'style0': image[::-1]}


# Evolved images need no batch and have the shape of the classifier's images.
EVOLVED = {'classifier': 'dense', 'class_names': ('Bag', 'Coat', 'Dress', 'Shirt')}
CONFIGS = {
    'pixel_average': {'name': 'pixel_average', 'num_steps': 6, 'num_images': 20},
    'pixel_average_median': {
        'name': 'pixel_average',
        'num_steps': 6,
        'num_images': 20,
        'statistic': 'median',
    },
    'began': {
        'name': 'began',
        'num_steps': 6,
        'evaluator': {'features': 4, 'code_size': 4},
        'generator': {'features': 4},
        'latent_size': 4,
    },
    'classifier': {'name': 'classifier', 'num_steps': 6, 'network': {'stages': (4, 8)}},
    'bridge': {
        'name': 'bridge',
        'num_steps': 6,
        'network': {'features': (4, 8), 'heads': 0},
        'evaluations': 2,
    },
    'colorize': {
        'name': 'colorize',
        'num_steps': 6,
        'network': 'vgg16_random',
        'layers': ('block1_conv2', 'block2_conv1'),
        'features': 4,
        'bins': 4,
    },
    'ebgan': {
        'name': 'ebgan',
        'num_steps': 6,
        'evaluator': {'features': 4, 'code_size': 4},
        'generator': {'features': 4},
        'latent_size': 4,
    },
    # Three phases: 2 steps, 1 step and 3 steps.
    'evaluator': {
        'name': 'evaluator',
        'num_steps': 6,
        'evaluator': {'features': 4, 'code_size': 4},
        'generator': {'features': 4},
        'guidance': 'features',
        'diversity': 0.5,
        'reference_epochs': 0,
        'latent_size': 4,
    },
    'gan_dcgan': {
        'name': 'gan',
        'num_steps': 6,
        'network': 'dcgan',
        'generator': {'features': 4},
        'discriminator': {'features': 4},
        'latent_size': 4,
    },
    'gan_residual': {
        'name': 'gan',
        'num_steps': 6,
        'network': 'residual',
        'loss': 'relativistic',
        'r1_gamma': 1.0,
        'r2_gamma': 1.0,
        'gamma_end': 0.1,
        'generator': {'features': (8, 4), 'group_size': 4},
        'discriminator': {'features': (8, 4), 'group_size': 4},
        'latent_size': 4,
        'b1': 0.0,
        'b2': 0.9,
        'b2_end': 0.99,
    },
    # Labels, and what happens every few steps only: the generator's update and the penalty.
    'gan_perceptron': {
        'name': 'gan',
        'num_steps': 6,
        'network': 'perceptron',
        'loss': 'wasserstein',
        'gradient_penalty': 10.0,
        'penalty_every_steps': 2,
        'discriminator_steps': 2,
        'num_classes': 10,
        'generator': {'features': (8,)},
        'discriminator': {'features': (4,), 'pieces': 2},
        'latent_size': 4,
    },
    'gan_adaptive': {
        'name': 'gan',
        'num_steps': 6,
        'network': 'dcgan',
        'loss': 'hinge',
        'augment': {
            'kinds': ('translation', 'rotation', 'brightness', 'cutout'),
            'probability': 0.5,
            'target': 0.6,
            'adaptation_images': 100.0,
        },
        'generator': {'features': 4},
        'discriminator': {'features': 4, 'normalize': False, 'spectral': True},
        'latent_size': 4,
    },
    # A checkpoint at step 3 lies in the middle of the fade, from 2 to 4.
    'growing_gan': {
        'name': 'growing_gan',
        'num_steps': 6,
        'features': (8, 4),
        'shares': (1, 2),
        'r1_gamma': 1.0,
        'latent_size': 4,
    },
    'flow_matching': {
        'name': 'flow_matching',
        'num_steps': 6,
        'network': {'features': (8,), 'heads': 2},
        'num_classes': 10,
        'class_dropout': 0.5,
        'guidance': 2.0,
        'evaluations': 4,
        'warmup_steps': 1,
    },
    'latent_flow': {
        'name': 'latent_flow',
        'num_steps': 6,
        'autoencoder_fraction': 0.5,
        'autoencoder': {'features': (4, 4)},
        'latent_channels': 2,
        'perceptual_weight': 0.0,  # AlexNet needs larger images.
        'network': {'features': (8,), 'heads': 2},
        'early': 0.4,
        'guidance': 2.0,
        'evaluations': 4,
        'warmup_steps': 1,
    },
    'latent_flow_enlarged': {
        'name': 'latent_flow',
        'num_steps': 6,
        'autoencoder_fraction': 0.5,
        'autoencoder': {'features': (4,)},
        'latent_channels': 2,
        'enlarge': 2,
        'enlarger': {'features': 4, 'blocks': 1},
        'perceptual_weight': 0.0,
        'network': {'features': (8,), 'heads': 2},
        'warmup_steps': 1,
    },
    'hill_climb': {
        'name': 'hill_climb',
        'num_steps': 6,
        'chains_per_class': 2,
        'moves': {
            'few_pixels': {'least': 1, 'most': 20},
            'inverse': {'max_side': 4},
            'sketch': {'max_width': 3.0},
        },
        'acceptance': 'annealing',
        'problem': EVOLVED,
    },
    'evolution_strategy': {
        'name': 'evolution_strategy',
        'num_steps': 6,
        'population_size': 4,
        'problem': EVOLVED,
    },
    'map_elites': {
        'name': 'map_elites',
        'num_steps': 6,
        'archives': 4,
        'initial': 4,
        'children': 4,
        'bins': (2, 1),
        'problem': EVOLVED,
    },
    'gradient_ascent': {
        'name': 'gradient_ascent',
        'num_steps': 6,
        'jitter_pixels': 1,
        'noise': 1e-3,
        'problem': EVOLVED,
    },
    'imle': {
        'name': 'imle',
        'num_steps': 6,
        'network': 'pixels',
        'generator': {'features': 4},
        'latent_size': 4,
        'pool_factor': 3,
        'pixel_weight': 0.1,
        'epsilon': 0.0275,
    },
    # Two phases: 2 steps and 4 steps.
    'moments': {
        'name': 'moments',
        'num_steps': 6,
        'network': 'pixels',
        'generator': {'features': 4},
        'latent_size': 4,
        'measure_share': 0.34,
        'pixel_weight': 0.1,
    },
    'pix2pix': {
        'name': 'pix2pix',
        'num_steps': 6,
        'generator': {'features': 4, 'depth': 2},
        'discriminator': {'features': 4, 'layers': 1},
    },
    'style': {
        'name': 'style',
        'num_steps': 6,
        'network': 'vgg16_random',
        'style_layers': {'block1_conv1': 1.0, 'block1_pool': 2.0},
        'content_layer': 'block1_conv2',
        'initial': 'noise',
        'optimizer_options': {'memory_size': 3},
    },
    # It starts from one color, where max pooling has ties that rounding decides: no pool here.
    'style_neighbours': {
        'name': 'style_neighbours',
        'num_steps': 6,
        'network': 'vgg16_random',
        'layers': ('block1_conv1', 'block1_conv2'),
        'scales': (1.0,),
        'split_fraction': 0.34,
    },
    'super_resolution': {
        'name': 'super_resolution',
        'num_steps': 6,
        'num_adversarial_steps': 3,
        'scale': 2,
        'network': {'features': 4, 'blocks': 1},
        'discriminator': {'features': 4, 'layers': 1},
        'perceptual_weight': 0.0,
        'learning_rate': 1e-3,
    },
    'vae': {
        'name': 'vae',
        'num_steps': 6,
        'network': {'features': 4},
        'latent_size': 4,
        'sample_from': 'codes',
    },
}
CONFIGS |= {
    name: {'name': name, 'num_steps': 6}
    for name in methods.METHODS.keys() - {config['name'] for config in CONFIGS.values()}
}
SHAPE = (8, 8, 1)
_SHAPES = {'colorize': (8, 8, 3)}


def method(name: str, *, axis_name: str | None = None, **changes):
    """Returns the method of one case."""
    return methods.make({**CONFIGS[name], **changes}, axis_name=axis_name)


def source_for(name: str) -> Source:
    """Returns images of the shape that one case needs."""
    return source(shape=_SHAPES.get(name, SHAPE))


def source(*, seed: int = 0, shape=SHAPE) -> Source:
    """Returns random images as a function of (seed, step)."""
    key = keys.stream(seed, 'data')

    def gather(window, step):
        del window
        return _batch(jax.random.fold_in(key, step), shape)

    return Source(window=lambda first, count: (), gather=gather, description='noise')


def assert_equal_bits(actual, expected) -> None:
    """Fails unless two pytrees hold the same bits."""
    for path, a, b in _leaves(actual, expected):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b), f'{path} differs'


def assert_close(actual, expected, *, rtol=2e-4, atol=2e-5) -> None:
    """Fails unless two pytrees agree to float tolerance."""
    for path, a, b in _leaves(actual, expected):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=path)


def _leaves(actual, expected):
    """Yields (path, array, array): on the host, where comparing compiles nothing."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(actual), jax.tree.leaves(expected), strict=True)
    for (path, a), b in pairs:
        yield jax.tree_util.keystr(path), _on_host(a), _on_host(b)


def _on_host(leaf) -> np.ndarray:
    is_key = hasattr(leaf, 'dtype') and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)
