"""Checks the configs of a sweep before its first run starts; compiles nothing.

The check runs in a process of its own, on the CPU: building a method may load weights, and a sweep
must not take the memory of an accelerator from its runs.
"""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from imggen import options
from imggen.errors import UserError


def check(configs: Mapping[str, Mapping[str, Any]]) -> None:
    """Checks the configs of several runs, by name of the run, in another process.

    Raises:
      UserError: names the first run whose config is wrong, and the option.
    """
    if not configs:
        return
    done = subprocess.run(
        [sys.executable, '-m', 'imggen.sweep.validate'],
        input=json.dumps(configs),
        capture_output=True,
        text=True,
        env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
    )
    if done.returncode:
        raise UserError((done.stdout or done.stderr).strip().splitlines()[-1])


def check_config(config: Mapping[str, Any]) -> None:
    """Builds what a run of the config builds before its first step, up to compilation.

    Raises:
      UserError: a section is missing, or an option is unknown or has a wrong value.
    """
    import jax

    from imggen import features, methods
    from imggen.evaluation import evaluate
    from imggen.training.train import RunConfig

    for name in ('method', 'data', 'run'):
        if not isinstance(config.get(name), Mapping):
            raise UserError(f'the config has no section {name!r}: add it to the config file.')
    run = options.build(RunConfig, config['run'], where='config.run')
    for score in run.scores:
        options.choose(evaluate.SCORES, score, where='config.run.scores')
    if run.extractor:
        known = dict.fromkeys(features.EXTRACTORS)
        options.choose(known, run.extractor, where='config.run.extractor')
    method = methods.make(config['method'])
    batch = _batch(json.dumps(config['data']))
    jax.eval_shape(method.init, jax.random.key(0), method.frozen, batch)


@functools.cache
def _batch(section: str):
    """Returns the shapes of a batch of a data section, given as JSON."""
    import jax

    from imggen import data

    source = data.make(json.loads(section), seed=0)
    return jax.eval_shape(lambda window: source.gather(window, 0), source.window(0, 1))


def _main() -> int:
    checked = set()
    for name, config in json.load(sys.stdin).items():
        # Runs that differ in the seed alone are right or wrong together.
        same = json.dumps({key: value for key, value in config.items() if key != 'seed'})
        if same in checked:
            continue
        checked.add(same)
        try:
            check_config(config)
        except Exception as error:  # The run would fail in the same way, but hours later.
            kind = '' if isinstance(error, UserError) else f'{type(error).__name__}: '
            print(' '.join(f'{name}: {kind}{error}'.split()))
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(_main())
