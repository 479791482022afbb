"""Runs of evolution beside each other: how they differ, and whether one picture can show them."""

from collections.abc import Sequence

import jax
import numpy as np

from imggen import keys
from imggen.errors import UserError
from imggen.evaluation import evolution
from imggen.methods.evolution import problem
from imggen.workdir import reader
from imggen.workdir.restore import Restored


def names(found: Sequence[reader.Run]) -> list[str]:
    """Names each run by its method and the options in which it differs from others of it.

    An option that only another method has says nothing.
    """
    made = []
    for run in found:
        method = run.config['method']
        alike = [other for other in found if other.config['method']['name'] == method['name']]
        flat, parts = reader.flatten({'method': method}), [method['name']]
        for key in reader.differing(alike):
            if key in flat and key != 'method.num_steps':
                parts.append(f'{key.removeprefix("method.").removeprefix("problem.")}={flat[key]}')
        made.append(' '.join(parts))
    return made


def check_alike(workdirs: Sequence[str], runs: Sequence[Restored]) -> None:
    """Refuses runs whose images could not stand below each other, class by class.

    Nothing is classified for it.

    Raises:
      UserError: a run is not of evolution, or differs from the first in its classes or the size of
        its images; the message says which, and in what.
    """
    first = None
    for workdir, run in zip(workdirs, runs, strict=True):
        evolution.check(run)
        labels = problem.make(run.config['method']['problem']).labels.tolist()
        shown = {'classes': list(dict.fromkeys(labels)), 'image size': _image_shape(run)}
        first = first or shown
        for name, value in shown.items():
            if value != first[name]:
                raise UserError(
                    f'{workdir} differs from {workdirs[0]} in its {name} ({value}, not '
                    f'{first[name]}): show them one by one.'
                )


def _image_shape(run: Restored) -> tuple[int, ...]:
    inputs = {**run.batch, 'index': np.zeros(1, np.int32)}
    image_keys = keys.per_image(keys.stream(0, 'sample'), 1)
    made = jax.eval_shape(run.method.sample, image_keys, run.state, run.method.frozen, inputs)
    return made[run.method.output].shape[1:]
