"""Checks the configs of a sweep before its first run starts; compiles nothing.

The check runs in a process of its own, on the CPU: building a method may load weights, and a sweep
must not take the memory of an accelerator from its runs.
"""

import functools
import json
import os
import subprocess
import sys
import types
from collections.abc import Mapping
from typing import Any

from imggen import options
from imggen.errors import UserError


def check(configs: Mapping[str, Mapping[str, Any]], measured: Mapping[str, Any]) -> None:
    """Checks the configs of several runs, by name of the run, in another process.

    Args:
      configs: the whole config of each run.
      measured: the flags of the evaluation that follows the training, by name.

    Raises:
      UserError: names the first run whose config is wrong, and the option.
    """
    if not configs:
        return
    done = subprocess.run(
        [sys.executable, '-m', 'imggen.sweep.validate'],
        input=json.dumps([configs, measured]),
        capture_output=True,
        text=True,
        env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
    )
    if done.returncode:
        raise UserError((done.stdout or done.stderr).strip().splitlines()[-1])


def check_config(
    config: Mapping[str, Any], *, measured: Mapping[str, Any] = types.MappingProxyType({})
) -> None:
    """Builds what a run of the config builds before its first step, up to compilation.

    Args:
      config: the whole config.
      measured: the flags of the evaluation that follows.

    Raises:
      UserError: a section is missing, or an option or a flag is unknown or has a wrong value.
    """
    import jax

    from imggen import features, methods
    from imggen.evaluation import distribution
    from imggen.metrics.distribution import METRICS
    from imggen.training import labels, train

    for name in ('method', 'data', 'run'):
        if not isinstance(config.get(name), Mapping):
            raise UserError(f'the config has no section {name!r}: add it to the config file.')
    run = options.build(train.RunConfig, config['run'], where='config.run')
    if extractor := measured.get('extractor'):
        options.choose(dict.fromkeys(features.EXTRACTORS), extractor, where='--extractor')
    if 'measure' in measured and not run.scores:  # What scores measure is known only afterwards.
        distribution.check_names(measured['measure'].split(','), METRICS)
    method = methods.make(config['method'])
    source, batch = _source(json.dumps(config['data']))
    labels.check(config, method, source)
    shapes = jax.eval_shape(method.init, jax.random.key(0), method.frozen, batch)
    # How many devices a run will have is not known here.
    train.check_fit(config, run, method, shapes, num_devices=1)


@functools.cache
def _source(section: str):
    """Returns the source of a data section, given as JSON, and the shapes of a batch."""
    import jax

    from imggen import data

    source = data.make(json.loads(section), seed=0)
    batch = jax.eval_shape(lambda window: source.gather(window, 0), source.window(0, 1))
    return source, batch


def _main() -> int:
    checked = set()
    configs, measured = json.load(sys.stdin)
    for name, config in configs.items():
        # Runs that differ in the seed alone are right or wrong together.
        same = json.dumps({key: value for key, value in config.items() if key != 'seed'})
        if same in checked:
            continue
        checked.add(same)
        try:
            check_config(config, measured=measured)
        except Exception as error:  # The run would fail in the same way, but hours later.
            kind = '' if isinstance(error, UserError) else f'{type(error).__name__}: '
            print(' '.join(f'{name}: {kind}{error}'.split()))
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(_main())
