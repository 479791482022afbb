"""A trained run that makes known images, to test the metrics of runs on."""

from typing import Any

import jax.numpy as jnp

from imggen import devices
from imggen.method import Method
from imggen.workdir.restore import Restored


def run(images, *, data: dict[str, Any]) -> Restored:
    """Returns a run on `data` whose i-th sample is images[i], float32 [n, ...] in [-1, 1].

    Its `sample` shows blank images, too, whose name sorts before that of the samples.
    """

    def sample(image_keys, state, frozen, batch):
        del image_keys, frozen
        made = state[batch['index']]
        return {'blank': jnp.zeros_like(made), 'made': made}

    method = Method(lambda *_: None, (), sample, output='made', num_images=len(images))
    batch = {'image': jnp.zeros((1, *images.shape[1:]))}
    config = {'data': data, 'method': {'name': 'held'}, 'run': {}}
    return Restored(config, method, jnp.asarray(images), 0, batch, devices.make_mesh())
