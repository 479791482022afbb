"""The flow of latents: their scale, what each phase changes, and what a sample is made of."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import devices, features, images, keys
from imggen.errors import UserError
from imggen.evaluation import reconstruction
from imggen.methods import flow_matching
from imggen.metrics import lpips
from imggen.networks import super_resolution
from imggen.networks.latent_autoencoder import Decoder, Encoder
from imggen.workdir.restore import Restored
from tests.helpers import cases

SOURCE, KEY = cases.source(), jax.random.key(2)


def start(**changes):
    method = cases.method('latent_flow', **changes)
    return method, jax.jit(method.init)(jax.random.key(0), (), SOURCE.batch(0))


@functools.cache
def after_the_autoencoder():
    """Returns the method and its state after the first phase."""
    method, state = start()
    step = jax.jit(method.phases[0].step)
    for index in range(method.phases[0].num_steps):
        state, _ = step(jax.random.key(index), state, (), SOURCE.batch(index))
    return method, state


def encode(state, images):
    encoder = Encoder(channels=2, features=(4, 4))
    return encoder.apply({'params': state.autoencoder.params['encoder']}, images)[0]


def decode(state, latents):
    decoder = Decoder(shape=cases.SHAPE, features=(4, 4))
    images = decoder.apply({'params': state.autoencoder.params['decoder']}, latents)
    return jnp.clip(images, -1.0, 1.0)


def scale(state):
    mean, square = (np.asarray(state.moments[name]) for name in ('mean', 'square'))
    return mean, np.sqrt(square - mean**2)


def test_each_phase_trains_its_own_networks():
    method, state = after_the_autoencoder()
    lengths = [(phase.name, phase.num_steps) for phase in method.phases]
    assert lengths == [('autoencoder', 3), ('flow', 3)]
    _, untrained = start()
    cases.assert_equal_bits(state.flow, untrained.flow)
    for part in ('encoder', 'decoder'):
        pair = (jax.tree.leaves(each.autoencoder.params[part]) for each in (untrained, state))
        assert not all(map(jnp.array_equal, *pair))
    step, after = jax.jit(method.phases[1].step), state
    for index in (3, 4):  # The first step of a rising learning rate is 0.
        after, _ = step(jax.random.key(index), after, (), SOURCE.batch(index))
    cases.assert_equal_bits(after.autoencoder, state.autoencoder)
    cases.assert_equal_bits(after.moments, state.moments)
    pair = (jax.tree.leaves(each.flow.ema) for each in (after, state))
    assert not all(map(jnp.array_equal, *pair))


def test_a_decoder_learns_alone_to_read_the_latents_of_a_parent():
    method, state = start(train_encoder=False)
    assert method.untrained == ('autoencoder', 'moments')
    step, after = jax.jit(method.phases[0].step), state
    for index in range(3):
        after, _ = step(jax.random.key(index), after, (), SOURCE.batch(index))
    before, params = state.autoencoder.params, after.autoencoder.params
    cases.assert_equal_bits(params['encoder'], before['encoder'])
    cases.assert_equal_bits(after.moments, state.moments)
    pair = (jax.tree.leaves(each['decoder']) for each in (params, before))
    assert not all(map(jnp.array_equal, *pair))


def test_a_log_variance_that_explodes_leaves_a_finite_state():
    method, state = start()
    params = jax.tree.map(lambda leaf: leaf, state.autoencoder.params)
    params['encoder']['Conv_2']['bias'] += jnp.asarray([0.0, 0.0, 1e3, -1e3])
    state = state.replace(autoencoder=state.autoencoder.replace(params=params))
    for index in range(2):  # The first step of a rising learning rate is 0.
        state, metrics = jax.jit(method.phases[0].step)(
            jax.random.key(index), state, (), SOURCE.batch(index)
        )
        assert all(map(jnp.isfinite, metrics.values()))
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def test_the_state_tracks_the_moments_of_each_channel():
    method, state = start(autoencoder_learning_rate=0.0)
    step, seen = jax.jit(method.phases[0].step), []
    for index in range(30):
        seen.append(encode(state, SOURCE.batch(index)['image']))
        state, _ = step(jax.random.key(index), state, (), SOURCE.batch(index))
    mean, deviation = scale(state)
    seen = np.concatenate(seen[-10:])
    np.testing.assert_allclose(deviation, seen.std((0, 1, 2)), rtol=0.1)
    np.testing.assert_allclose((mean - seen.mean((0, 1, 2))) / deviation, 0.0, atol=0.1)


def test_the_flow_learns_latents_shifted_and_scaled_by_the_moments():
    method, state = after_the_autoencoder()
    image, key = SOURCE.batch(5)['image'], jax.random.key(5)
    _, metrics = jax.jit(method.phases[1].step)(key, state, (), {'image': image})
    means, (mean, deviation) = np.asarray(encode(state, image)), scale(state)
    noise, _ = flow_matching.draw_noise(keys.per_image(key, len(image)), means.shape[1:])
    # The untrained velocity is 0.
    expected = np.square((means - mean) / deviation - np.asarray(noise)).mean()
    np.testing.assert_allclose(metrics['loss'], expected, rtol=1e-4)


def test_a_sample_is_decoded_once_and_stands_next_to_a_reconstruction():
    method, state = after_the_autoencoder()
    batch, image_keys = {'image': SOURCE.batch(5)['image']}, keys.per_image(jax.random.key(1), 3)
    sets = jax.jit(method.sample)(image_keys, state, (), batch)
    means, (mean, deviation) = np.asarray(encode(state, batch['image'][:3])), scale(state)
    np.testing.assert_allclose(sets['reconstructed'], decode(state, means), atol=1e-4)
    noise, _ = flow_matching.draw_noise(image_keys, means.shape[1:])
    expected = decode(state, np.asarray(noise) * deviation + mean)  # The untrained velocity is 0.
    np.testing.assert_allclose(sets['generated'], expected, atol=1e-4)


@functools.cache
def enlarging(factor=2):
    """Returns a method for pictures of a larger size, its state, and a batch of them."""
    method = cases.method('latent_flow', enlarge=factor, enlarger={'features': 6, 'blocks': 1})
    image = super_resolution.enlarge(SOURCE.batch(0)['image'], factor, method='nearest')
    batch = {'image': image}
    return method, jax.jit(method.init)(jax.random.key(0), (), batch), batch


@pytest.mark.parametrize('factor', [2, 4])
def test_pictures_are_reduced_before_the_encoder_and_enlarged_after_the_decoder(factor):
    method, state, batch = enlarging(factor)
    small = {'image': images.downscale(batch['image'], factor)}
    plain = cases.method('latent_flow')
    assert jax.tree.map(jnp.shape, state.flow) == jax.tree.map(jnp.shape, start()[1].flow)
    image_keys = keys.per_image(jax.random.key(1), 3)
    ours = jax.jit(method.sample)(image_keys, state, (), batch)
    theirs = jax.jit(plain.sample)(image_keys, state, (), small)
    for name in ('generated', 'reconstructed'):  # The untrained network enlarges bicubically.
        wanted = super_resolution.enlarge(theirs[name], factor)
        np.testing.assert_allclose(ours[name], wanted, atol=1e-4)


def test_the_first_phase_trains_what_enlarges_with_the_decoder_and_the_second_does_not():
    _, state, batch = enlarging()
    method = cases.method(
        'latent_flow',
        num_steps=60,
        enlarge=2,
        enlarger={'features': 6, 'blocks': 1},
        train_encoder=False,
        autoencoder_learning_rate=1e-2,
    )
    assert method.untrained == ('autoencoder', 'moments')
    step, after, losses = jax.jit(method.phases[0].step), state, []
    for index in range(30):
        after, metrics = step(jax.random.key(index), after, (), batch)
        losses.append(metrics['l1'])
    assert losses[-1] < losses[0]
    cases.assert_equal_bits(
        after.autoencoder.params['encoder'], state.autoencoder.params['encoder']
    )
    for name in ('autoencoder', 'enlarger'):
        pair = (jax.tree.leaves(getattr(each, name).params) for each in (after, state))
        assert not all(map(jnp.array_equal, *pair))
    last, _ = jax.jit(method.phases[1].step)(jax.random.key(0), after, (), batch)
    cases.assert_equal_bits(last.enlarger, after.enlarger)


def test_reconstructions_have_the_distance_of_what_is_lost():
    method, state = after_the_autoencoder()
    extractor = features.make('pixels')
    config = {'method': cases.CONFIGS['latent_flow'], 'data': {'name': 'digits'}}
    run = Restored(config, method, state, 0, {}, devices.make_mesh())

    def measure(reconstruct):
        changed = run._replace(method=method._replace(reconstruct=reconstruct))
        found = reconstruction.measure(changed, num_images=200, seed=0, extractor=extractor)
        return found['frechet_reconstructed']

    perfect = measure(lambda state, images: images)
    assert 0 <= perfect < 0.5 * measure(lambda state, images: 0.8 * images)
    with pytest.raises(UserError, match='reconstructs no images'):
        measure(None)


def test_the_perceptual_term_is_the_lpips_of_decoded_noisy_latents():
    try:
        params = lpips.load('alexnet')
    except UserError as error:
        pytest.skip(str(error))
    method = cases.method('latent_flow', perceptual_weight=3.0)
    with pytest.raises(UserError, match='needs pictures of 31 pixels a side or more'):
        method.init(KEY, method.frozen, {'image': jnp.zeros((1, 24, 40, 3))})
    image, key = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3), minval=-1.0), KEY
    state = jax.jit(method.init)(key, method.frozen, {'image': image})
    _, metrics = jax.jit(method.phases[0].step)(key, state, method.frozen, {'image': image})
    part = {name: {'params': params} for name, params in state.autoencoder.params.items()}
    means, log_variances = Encoder(channels=2, features=(4, 4)).apply(part['encoder'], image)
    noise, _ = flow_matching.draw_noise(keys.per_image(key, 2), means.shape[1:])
    latents = means + jnp.exp(log_variances / 2) * noise
    output = Decoder(image.shape[1:], features=(4, 4)).apply(part['decoder'], latents)
    wanted = lpips.lpips(params, output, image).mean()
    np.testing.assert_allclose(metrics['perceptual'], wanted, rtol=1e-3)
    np.testing.assert_allclose(metrics['l1'], jnp.abs(output - image).mean(), rtol=1e-3)


def test_pictures_that_cannot_be_reduced_are_refused():
    method = cases.method('latent_flow', enlarge=4)
    with pytest.raises(UserError, match=r'8 x 10 cannot be reduced by config\.method\.enlarge=4'):
        method.init(KEY, (), {'image': jnp.zeros((1, 8, 10, 1))})


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'autoencoder_fraction': 0.99}, 'fraction=0.99 of num_steps=6 leaves a phase without'),
        ({'autoencoder_fraction': 1.1}, 'fraction=1.1: set it to 0 or more and at most 1'),
        ({'autoencoder_fraction': 1.0}, 'another encoder: set config.method.train_encoder=False'),
        ({'enlarge': 3}, 'enlarge=3: set it to 1, 2 or 4'),
        ({'enlarge': 4, 'enlarger': {'width': 3}}, 'enlarger.width is not an option'),
        ({'enlarge': 2, 'enlarger': {'scale': 4}}, r'enlarger\.scale follows from other options'),
        ({'autoencoder_fraction': 0.01}, 'fraction=0.01 of num_steps=6 leaves a phase without'),
        ({'autoencoder_fraction': float('nan')}, 'fraction=nan is not a finite number'),
        ({'latent_channels': 0}, 'latent_channels=0: set it to 1'),
        ({'autoencoder': {'width': 3}}, 'autoencoder.width is not an option'),
        ({'solver': 'newton'}, 'config.method.solver'),
    ],
)
def test_wrong_options_are_errors(changes, message):
    with pytest.raises(UserError, match=message):
        start(**changes)
