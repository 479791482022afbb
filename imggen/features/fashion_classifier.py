"""A Fashion-MNIST classifier, whose features compare sets of images.

Its weights ship with the package. Train and measure it again with

    python -m experiments.train \
        --config=configs/classifier_fashion_mnist.py --workdir=runs/classifier
    python -m experiments.studies.classifier --workdir=runs/classifier [--save]
"""

import json
import pathlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from imggen.errors import UserError
from imggen.features import archive, extractor
from imggen.networks.classifier import Classifier

WEIGHTS = pathlib.Path(__file__).parent / 'classifier_fashion_mnist.npz'
_SIZE = (28, 28)
_NETWORK = Classifier()


def make() -> extractor.Extractor:
    """Returns the classifier as an extractor: features [n, 64], logits [n, 10].

    Raises:
      UserError: its weights are damaged or missing.
    """
    params, digest = load_verified(WEIGHTS)
    return extractor.Extractor(
        name='fashion_classifier',
        params=params,
        apply=apply,
        digest=digest,
        note='Images are made gray and resized to 28 x 28 (linear, antialiased).',
        size=28,
    )


def load_verified(path: pathlib.Path) -> tuple[dict, str]:
    """Reads shipped variables and compares their digest with the one in the .json file.

    Returns:
      The variables and their digest.

    Raises:
      UserError: the file is damaged or missing.
    """
    params = load(path)
    expected = json.loads(path.with_suffix('.json').read_text())['digest']
    digest = extractor.digest(params)
    if digest != expected:
        raise UserError(f'{path} has digest {digest}, not {expected}: install imggen again.')
    return params, digest


def load(path: pathlib.Path) -> dict:
    """Reads variables from an .npz file whose names are paths, such as 'params/Conv_0/kernel'.

    Raises:
      UserError: the file cannot be read.
    """
    try:
        arrays = archive.read(path)
    except UserError as error:
        raise UserError(f'{path} cannot be read ({error}): install imggen again.') from error
    variables: dict = {}
    for name, array in arrays.items():
        *parents, leaf = name.split('/')
        node = variables
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise UserError(f'{path} has an array above {name}: install imggen again.')
        node[leaf] = array
    return variables


def save(path: pathlib.Path, variables: Mapping) -> None:
    """Writes variables to a file that `load` reads."""
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    arrays = {'/'.join(key.key for key in keys): np.asarray(leaf) for keys, leaf in leaves}
    np.savez_compressed(path, **arrays)


def apply(params, batch: jax.Array) -> dict[str, jax.Array]:
    """Maps images [n, height, width, 1 or 3] in [-1, 1] to features [n, 64] and logits [n, 10]."""
    if batch.shape[-1] == 3:
        batch = jnp.mean(batch, axis=-1, keepdims=True)
    if batch.shape[1:3] != _SIZE:
        shape = (batch.shape[0], *_SIZE, 1)
        batch = jax.image.resize(batch, shape, 'linear', antialias=True)
    logits, features = _NETWORK.apply(params, batch, train=False)
    return {'features': features, 'logits': logits}
