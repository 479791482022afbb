"""Checks the configs of a sweep before its first run starts; reads no data, compiles nothing.

This happens in a process of its own, on the CPU: building a method may load weights, and a sweep
must not take the memory of an accelerator from its runs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from imggen import options
from imggen.errors import UserError

# Options of a data section that `data.make` reads itself; a loader reads the others.
_COMMON_DATA_OPTIONS = ('name', 'batch_size', 'augment', 'memory_budget_mib')


def check(configs: Mapping[str, Mapping[str, Any]]) -> None:
    """Checks the configs of several runs in another process.

    Args:
      configs: by the name of the run, as JSON reads them.

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
    """Builds what can be built of one config.

    The options of a network are checked when the run starts, since they depend on the images.

    Raises:
      UserError: a section is missing, or an option is unknown or has a wrong value.
    """
    from imggen import data, methods
    from imggen.augmentation import dataset as augmentation
    from imggen.training.train import RunConfig

    for name in ('method', 'data', 'run'):
        if not isinstance(config.get(name), Mapping):
            raise UserError(f'the config has no section {name!r}: add it to the config file.')
    options.build(RunConfig, config['run'], where='config.run')
    section = config['data']
    loader = options.choose(data.SOURCES, section.get('name', ''), where='config.data.name')
    own = {key: value for key, value in section.items() if key not in _COMMON_DATA_OPTIONS}
    options.check_keywords('config.data', own, loader)
    augment = section.get('augment') or {}
    options.check_keywords('config.data.augment', augment, augmentation.augment)
    methods.make(config['method'])


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
        except Exception as error:  # The run would end the same way, but hours later.
            kind = '' if isinstance(error, UserError) else f'{type(error).__name__}: '
            print(' '.join(f'{name}: {kind}{error}'.split()))
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(_main())
