"""The method in the docstring of the interface is complete."""

import inspect
import re
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from imggen import devices, keys, method
from imggen.training import loop
from tests.helpers import cases


def test_the_documented_method_runs_and_learns_the_mean():
    code = re.search(r'    class State.*?\n\n(?=`docs)', inspect.getdoc(method), re.S)[0]
    names = {'jax': jax, 'jnp': jnp, 'struct': struct, **vars(method)}
    exec(textwrap.dedent(code), names)
    made = names['make']({'num_steps': 5})
    mesh = devices.make_mesh(devices=jax.devices()[:1])
    records = []
    result = loop.run(
        made, cases.source(), seed=0, mesh=mesh, log_every_steps=1, observers=[records.append]
    )
    images = np.stack([np.asarray(cases.source().batch(step)['image']) for step in range(5)])
    np.testing.assert_allclose(result.state.mean, images.mean((0, 1)), atol=1e-6)
    assert [record.step for record in records] == [1, 2, 3, 4, 5]
    image_keys = keys.per_image(jax.random.key(0), 2)
    samples = made.sample(image_keys, result.state, made.frozen, {})[made.output]
    assert samples.shape == (2, *cases.SHAPE) and not np.allclose(samples[0], samples[1])
