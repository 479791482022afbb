"""The PyTorch side of the benchmarks computes what ours computes."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import keys, latents, methods, options
from imggen.methods.adversarial import gan

torch = pytest.importorskip('torch', reason="PyTorch is not here: pip install -e '.[benchmark]'")
from benchmarks import torch_gan, torch_networks  # noqa: E402

BATCH_SIZE = 8
# Small programs that run a few times: most of the time is their compilation.
QUICK = {'xla_backend_optimization_level': 0}
CASES = {
    'perceptron': (
        {
            'network': 'perceptron',
            'generator': {'features': (12, 9)},
            'discriminator': {'features': (7, 6), 'pieces': 3},
        },
        (6, 5, 3),
    ),
    'dcgan': (
        {'network': 'dcgan', 'generator': {'features': 8}, 'discriminator': {'features': 8}},
        (28, 28, 1),
    ),
    'dcgan_penalized': (
        {
            'network': 'dcgan',
            'generator': {'features': 8, 'max_features': 24},
            'discriminator': {'features': 8, 'normalize': False},
            'r1_gamma': 0.5,
        },
        (16, 16, 3),
    ),
    'residual': (
        {
            'network': 'residual',
            'generator': {'features': (12, 8), 'expansion': 2, 'group_size': 8},
            'discriminator': {'features': (12, 8)},
            'loss': 'relativistic',
            'r1_gamma': 1.0,
            'r2_gamma': 2.0,
            'gamma_end': 0.1,
            'learning_rate_end': 0.25,
            'b1': 0.0,
            'b2': 0.9,
            'b2_end': 0.99,
        },
        (8, 8, 3),
    ),
}


class Both:
    """One case in JAX and in PyTorch, with the same parameters, images and latents."""

    def __init__(self, name):
        section, self.shape = CASES[name]
        section = {'num_steps': 10, **section}
        self.config = options.build(gan.Config, section, where='test')
        self.method = methods.make({'name': 'gan', **section})
        rng = np.random.default_rng(0)
        self.images = rng.uniform(-1, 1, (BATCH_SIZE, *self.shape)).astype(np.float32)
        self.batch = {'image': jnp.asarray(self.images)}
        state = jax.jit(self.method.init, compiler_options=QUICK)(jax.random.key(1), (), self.batch)
        # Residual branches start at zero; with noise every parameter matters.
        noise = lambda leaf: leaf + 0.1 * jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype)
        networks = [
            network.replace(params=jax.tree.map(noise, network.params))
            for network in (state.generator, state.discriminator)
        ]
        self.state = state.replace(
            generator=networks[0], discriminator=networks[1], ema=networks[0].variables
        )
        self.trainer = torch_gan.Trainer(self.config, self.shape)
        torch_networks.load(self.trainer.generator, jax.device_get(networks[0].params))
        torch_networks.load(self.trainer.ema, jax.device_get(networks[0].params))
        torch_networks.load(self.trainer.discriminator, jax.device_get(networks[1].params))

    def latent(self, key):
        return np.asarray(latents.draw(keys.per_image(key, BATCH_SIZE), self.config.latent_size))

    def modules(self):
        generator, discriminator = gan.NETWORKS[self.config.network]
        return (
            generator(shape=self.shape, **self.config.generator),
            discriminator(**self.config.discriminator),
        )


def to_torch(images):
    return torch.tensor(images).permute(0, 3, 1, 2)


def to_numpy(images):
    return images.detach().permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope='module', params=CASES)
def both(request):
    return Both(request.param)


def test_networks_have_as_many_parameters(both):
    for ours, theirs in (
        (both.state.generator, both.trainer.generator),
        (both.state.discriminator, both.trainer.discriminator),
    ):
        count = sum(leaf.size for leaf in jax.tree.leaves(ours.params))
        assert count == sum(parameter.numel() for parameter in theirs.parameters())


def test_networks_give_the_same_outputs(both):
    generator, discriminator = both.modules()
    latent = both.latent(jax.random.key(2))
    apply = jax.jit(
        lambda module, variables, x: module.apply(
            variables, x, train=True, mutable=['batch_stats']
        )[0],
        static_argnums=0,
    )
    ours = apply(generator, both.state.generator.variables, latent)
    theirs = both.trainer.generator(torch.tensor(latent))
    np.testing.assert_allclose(to_numpy(theirs), ours, atol=1e-4, rtol=1e-4)
    ours = apply(discriminator, both.state.discriminator.variables, both.images)
    theirs = both.trainer.discriminator(to_torch(both.images))
    np.testing.assert_allclose(theirs.detach().numpy(), ours, atol=1e-4, rtol=1e-4)


def test_steps_have_the_same_metrics(both):
    """Compares all metrics of three steps, and what was learned in them."""
    step = jax.jit(both.method.phases[0].step, compiler_options=QUICK)
    state = both.state
    for index in range(3):
        key = jax.random.key(index)
        state, ours = step(key, state, (), both.batch)
        theirs = both.trainer.step(to_torch(both.images), torch.tensor(both.latent(key)))
        assert theirs.keys() == ours.keys()
        for name, value in ours.items():
            np.testing.assert_allclose(
                theirs[name], value, rtol=1e-4, atol=1e-4, err_msg=f'{index} {name}'
            )
    trainer = both.trainer
    for ours, before, theirs in (
        (state.generator.params, both.state.generator.params, trainer.generator),
        (state.discriminator.params, both.state.discriminator.params, trainer.discriminator),
        (state.ema['params'], both.state.ema['params'], trainer.ema),
    ):
        ours, before = in_torch(theirs, ours), in_torch(theirs, before)
        learned = flat(theirs) - before
        assert (learned - (ours - before)).norm() < 1e-3 * learned.norm()


def in_torch(network, params):
    """Returns our parameters as one vector in the order of `network`'s."""
    network = copy.deepcopy(network)
    torch_networks.load(network, jax.device_get(params))
    return flat(network)


def flat(network):
    return torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])
