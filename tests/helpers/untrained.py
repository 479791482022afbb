"""Folders that load as exported models, of methods that were never trained: made in a second."""

import json

import jax
import jax.numpy as jnp

from imggen import methods
from imggen.workdir import reader, weights

GAN = {
    'name': 'gan',
    'num_steps': 1,
    'network': 'perceptron',
    'latent_size': 8,
    'num_classes': 3,
    'generator': {'features': (16,)},
    'discriminator': {'features': (16,)},
}
PIX2PIX = {
    'name': 'pix2pix',
    'num_steps': 1,
    'gan_weight': 0.0,
    'test_dropout': False,
    'generator': {'features': 2, 'depth': 2, 'norm': 'none'},
}


def write(folder, section, batch, *, data=None):
    """Writes the folder; `batch` has shapes (and int32 labels) by name. Returns the folder."""
    types = {name: 'int32' if name == 'label' else 'float32' for name in batch}
    zeros = {name: jnp.zeros(shape, types[name]) for name, shape in batch.items()}
    state = jax.jit(methods.make(section).init)(jax.random.key(0), (), zeros)
    folder.mkdir(parents=True, exist_ok=True)
    weights.write(folder / weights.NAME, state, step=7)
    config = {'seed': 0, 'method': section, 'data': data or {'name': 'made'}, 'run': {}}
    (folder / 'config.json').write_text(json.dumps({'format': reader.FORMAT, **config}))
    info = {'batch': {name: [shape, types[name]] for name, shape in batch.items()}}
    (folder / 'run.json').write_text(json.dumps(info))
    return folder
