"""The PyTorch side of benchmarks/torch_pix2pix.py computes what ours computes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import methods

torch = pytest.importorskip('torch', reason="PyTorch is not here: pip install -e '.[benchmark]'")
from benchmarks import torch_pix2pix  # noqa: E402

QUICK = {'xla_backend_optimization_level': 0}


def test_steps_have_the_same_metrics():
    section = {
        'name': 'pix2pix',
        'num_steps': 10,
        'generator': {'features': 4, 'dropout': 0.0},
        'discriminator': {'features': 4},
    }
    method = methods.make(section)
    rng = np.random.default_rng(0)
    pictures = {
        name: rng.uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32) for name in ('input', 'target')
    }
    batch = jax.tree.map(jnp.asarray, pictures)
    state = jax.jit(method.init, compiler_options=QUICK)(jax.random.key(0), (), batch)
    trainer = torch_pix2pix.Trainer(inputs=3, outputs=3, features=4, depth=5, dropout=0.0)
    params = jax.device_get((state.generator.params, state.discriminator.params))
    torch_pix2pix.load(trainer, *params)
    for theirs, ours in zip((trainer.generator, trainer.discriminator), params, strict=True):
        count = sum(leaf.size for leaf in jax.tree.leaves(ours))
        assert count == sum(parameter.numel() for parameter in theirs.parameters())
    step = jax.jit(method.phases[0].step, compiler_options=QUICK)
    x, y = (torch.tensor(pictures[name]).permute(0, 3, 1, 2) for name in ('input', 'target'))
    for index in range(3):
        state, ours = step(jax.random.key(index), state, (), batch)
        theirs = trainer.step(x, y)
        for name, value in theirs.items():
            np.testing.assert_allclose(
                value, ours[name], rtol=2e-3, atol=1e-4, err_msg=f'{index} {name}'
            )
