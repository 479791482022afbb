"""Starts a run from the networks of another run, its parent."""

import pathlib
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from imggen.errors import UserError
from imggen.inference import load
from imggen.method import Batch, Method
from imggen.workdir import weights

_Networks = Mapping[str, Mapping[str, Any]]  # Arrays by name, of networks by name.


def adopt(
    method: Method, workdir: str | pathlib.Path, batch: Batch
) -> tuple[Method, dict[str, Any]]:
    """Returns the method with an `init` that takes networks from a parent.

    A network is taken whole, with its batch statistics, if the parent has one of the same name
    with the same arrays. If nothing but tables of one vector per class differs between all networks
    of both, those are drawn and the networks taken: a parent without classes can have a child with
    classes. The averaged weights `ema` and the `moments` of latents count as networks. Optimizers
    and counters start anew.

    Args:
      method: the method of the new run.
      workdir: the folder of the parent, whose newest checkpoint is read, or of an exported model.
      batch: a batch of the new run.

    Returns:
      The method, and a record for run.json: the `workdir` and the `step` of the parent, and the
      names of the networks that were `taken` and of the networks and tables that were `drawn`, with
      the reason `why`.

    Raises:
      UserError: there is no run or no checkpoint, no network fits, or one that the method does not
        train is not among them.
    """
    try:
        restored = load.load(workdir)
    except UserError as error:
        raise UserError(f'config.init_from: {error}') from None
    given = _networks(restored.state)
    wanted = _networks(jax.eval_shape(method.init, jax.random.key(0), method.frozen, batch))
    fitting = _fitting(given, wanted)
    if not fitting:
        raise UserError(
            f'config.init_from={workdir}, a run of the method {restored.config["method"]["name"]}, '
            'has no network that fits: '
            f'{"".join(_difference(given, wanted))}.'
        )
    # What no step trains must have its tables, too.
    missing = {
        name: wanted[name]
        for name in method.untrained
        if name not in fitting
        or _shapes(given[name], tables=True) != _shapes(wanted[name], tables=True)
    }
    if missing:
        raise UserError(
            f'config.init_from={workdir} has no {next(iter(missing))} that fits, and this config '
            f'needs one: {"".join(_difference(given, missing))}.'
        )
    arrays = jax.device_get({key: leaf for part in fitting.values() for key, leaf in part.items()})
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UserError(
                f'config.init_from={workdir} has NaN or infinity in {name}: name another.'
            )

    def init(key, frozen, batch):
        state = method.init(key, frozen, batch)
        leaves = [arrays.get(name, leaf) for name, leaf in weights.named(state)]
        return jax.tree.unflatten(jax.tree.structure(state), leaves)

    origin = {'workdir': str(workdir), 'step': restored.step}
    return method._replace(init=init), origin | _record(given, wanted, fitting)


def sentence(record: Mapping[str, Any]) -> str:
    """Says which networks came from the parent."""
    text = f'from {record["workdir"]}, step {record["step"]}: {", ".join(record["taken"])}'
    if not record['drawn']:
        return text
    # A table is told by its network: its own name is that of an array.
    drawn = dict.fromkeys(
        f'the classes of {name.split(".params.")[0]}' if _is_table(name) else name
        for name in record['drawn']
    )
    return f'{text}; drawn anew: {", ".join(drawn)}, because {record["why"]}'


def _networks(state: Any) -> _Networks:
    """Returns the arrays of each network in a state by their names."""
    networks = {}
    for name, leaf in weights.named(state):
        network, *path = re.split(r'\.(?:params|batch_stats)\.', name, maxsplit=1)
        if not path:
            network, *path = name.split('.')
            path = path if network in ('ema', 'moments') else []
        if path and not weights.is_of_optimizer(name):
            networks.setdefault(network, {})[name] = leaf
    return networks


def _fitting(given: _Networks, wanted: _Networks) -> _Networks:
    """Returns the networks of the parent that are taken, without the tables that do not fit."""
    common = [name for name in wanted if name in given]
    if all(_shapes(given[name]) == _shapes(wanted[name]) for name in common):
        return {name: _matching(given[name], wanted[name]) for name in common}
    # Tables count, for a trained discriminator without its generator would be no start.
    return {
        name: given[name]
        for name in common
        if _shapes(given[name], tables=True) == _shapes(wanted[name], tables=True)
    }


def _matching(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arrays of one network of the parent that are wanted in their shape."""
    return {
        name: leaf
        for name, leaf in given.items()
        if name in wanted and leaf.shape == wanted[name].shape
    }


def _record(given: _Networks, wanted: _Networks, fitting: _Networks) -> dict[str, Any]:
    """Names what was taken, and what was drawn and why."""
    networks = {name: wanted[name] for name in wanted if name not in fitting}
    tables = [key for name, part in fitting.items() for key in wanted[name] if key not in part]
    misfits = {name: networks[name] for name in networks if name in given}
    why = [_difference(given, misfits)[0]] if misfits else []
    if absent := networks.keys() - misfits.keys():
        why.append(f'the parent has no {" and no ".join(sorted(absent))}')
    why += ['the parent has other classes or none'] if tables else []
    record = {'taken': list(fitting), 'drawn': [*networks, *tables]}
    return {**record, 'why': ', and '.join(why)} if why else record


def _is_table(name: str) -> bool:
    """Whether an array is a table of one vector per class."""
    return '.Embed_' in name


def _difference(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, str]:
    """Says the first difference of networks that do not fit, and what would make them fit."""
    name = next((name for name in wanted if name in given), None)
    if name is None:
        return (
            f'the parent has {", ".join(given)}, and this config has {", ".join(wanted)}',
            ': name another parent, or leave out the option that needs it',
        )
    held, needed = (_shapes(arrays[name], tables=True) for arrays in (given, wanted))
    for array, (shape, _) in needed.items():
        if array not in held:
            return f'it has no {array}', ': use its options of config.method'
        if held[array][0] != shape:
            return (
                f'{array} is {list(held[array][0])} there and {list(shape)} here',
                ': use its image size, channels (config.data.channels and config.data.alpha), '
                'classes, latents and network options',
            )
    return f'it has more in {name}', ': use its options of config.method'


def _shapes(arrays: Mapping[str, Any], *, tables: bool = False) -> dict[str, tuple]:
    """Returns shape and type of the arrays by their names, with or without tables of classes."""
    return {
        name: (leaf.shape, leaf.dtype)
        for name, leaf in arrays.items()
        if tables or not _is_table(name)
    }
