r"""Injects faults into small runs of every method, and prints what survived.

python -m tests.torture [--kills=20] [--methods=gan,vae] [--kinds=kills,stops,damage]
    [--output=torture.md]

Each row is printed as soon as it is measured, and appended to the file of --output, so that the
table can be made in parts. The status is 1 if anything was lost.
"""

import argparse
import importlib
import os
import pathlib
import sys
import tempfile
import time

KINDS = ('kills', 'stops', 'together', 'damage', 'disks', 'outside', 'soak')


def main() -> int:
    """Runs the kinds of faults that the command line names."""
    with tempfile.TemporaryDirectory(prefix='torture-') as temporary:
        folder = pathlib.Path(temporary)
        # Before JAX is imported: one device, and each program is compiled once for all processes.
        cache = str(folder / 'cache')
        os.environ.setdefault('JAX_PLATFORMS', 'cpu')
        os.environ.setdefault('JAX_COMPILATION_CACHE_DIR', cache)
        os.environ.update(
            JAX_NUM_CPU_DEVICES='1',
            JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS='0',
            XDG_CACHE_HOME=cache,
        )
        return _inject(folder)


def _inject(folder: pathlib.Path) -> int:
    from tests.torture import runs
    from tests.torture.table import Table

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = sorted(runs.methods())
    parser.add_argument('--kills', type=int, default=20, help='kills and stops for each method')
    parser.add_argument('--methods', default=','.join(known), help='names, with commas')
    parser.add_argument('--kinds', default=','.join(KINDS), help='names, with commas')
    parser.add_argument('--output', type=pathlib.Path, help='file that rows are appended to')
    arguments = parser.parse_args()
    names, kinds = arguments.methods.split(','), arguments.kinds.split(',')
    if unknown := {*names} - {*known} | {*kinds} - {*KINDS}:
        parser.error(f'unknown: {", ".join(sorted(unknown))}')
    table = Table(arguments.output)
    started = time.monotonic()
    for kind in kinds:
        module = importlib.import_module(f'tests.torture.{kind}')
        for row in module.rows(folder / kind, names, kills=arguments.kills):
            table.add(row)
    print(f'{time.monotonic() - started:.0f} s', file=sys.stderr)
    return int(table.lost > 0)


if __name__ == '__main__':
    sys.exit(main())
