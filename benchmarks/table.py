"""Stored measurements of `benchmarks.run` as a Markdown table."""

import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks import rows

COLUMNS = (
    'row', 'work', 'imggen', 'PyTorch', 'which', 'ratio', 'GFLOP/s', 'of a matrix product',
    'MiB', "PyTorch's MiB", 'start s, cold / warm', 'torch.compile s, cold / warm',
)  # fmt: skip
_HEAD = """# Speed next to PyTorch

`python -m benchmarks.run` measured this table.

* imggen, PyTorch: the median seconds of a turn. PyTorch is the faster of eager mode in
  channels_last and torch.compile, which the next column names.
* ratio: PyTorch's seconds in ours, the median over alternating turns, with its range. Above 1
  imggen is faster.
* GFLOP/s: the multiplications and additions of matrix products and convolutions, as PyTorch counts
  them, in a second of imggen; and their share in the speed of a large matrix product, whose process
  takes turns with the others. The share is measured in float32 alone.
* MiB: peak memory beyond that of the imports. On a GPU it is the GPU's memory that arrays took, the
  trials of kernels included.
* start: seconds from the imports to the first turn, without the work itself: initialization,
  tracing and compilation, with empty and full caches of compiled programs. It is empty for rows
  that were prepared at the same time.

Below the table are revision, versions, hardware and precision. float32 is full float32 on both
sides. With tensorfloat32 both allow it in products of matrices and convolutions. With bfloat16
networks compute in it, PyTorch's by autocast, and parameters and losses are float32.
"""


def render(stored: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the page of all stored rows, by their names."""
    lines = [f'| {" | ".join(COLUMNS)} |', f'| --- | --- | {"---: | " * 10}'.strip()]
    names = [name for name in rows.ROWS if name in stored]
    compilations = [name for name in names if name.startswith(rows.COMPILATION)]
    lines += [line(name, stored[name]) for name in names if name not in compilations]
    lines += ['', *_compilations({name: stored[name] for name in compilations})]
    lines += [*_failures(stored), *_circumstances(stored)]
    return '\n'.join([_HEAD, *lines]).rstrip() + '\n'


def line(name: str, measured: Mapping[str, Any]) -> str:
    """Returns one row of the table."""
    row, sides = rows.ROWS[name], measured['sides']
    ours, theirs = sides.get('imggen', {}), _best(sides)
    factor = '' if measured.get('longer', 1) == 1 else f'{measured["longer"]} x '
    cells = [name, f'{row.work}: {factor}{row.turn}', _seconds(ours)]
    cells += [_seconds(sides.get(theirs, {})), theirs, _ratio(ours, sides.get(theirs, {}))]
    cells += [*_speed(sides), _memory(ours), _memory(sides.get(theirs, {})), _start(ours)]
    cells.append(_start(sides.get('compiled', {})))
    return f'| {" | ".join(cells)} |'


def _compilations(stored: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns the table of rows that time compilation alone."""
    lines = [
        f'| {rows.ROWS[name].work} | {_start(measured["sides"].get("imggen", {})) or "failed"} |'
        for name, measured in stored.items()
    ]
    return ['| config | start s, cold / warm |', '| --- | ---: |', *lines, ''] if lines else []


def _best(sides: Mapping[str, Any]) -> str:
    """Returns the faster side of PyTorch, or '' if none worked."""
    medians = {
        side: statistics.median(sides[side]['seconds'])
        for side in ('eager', 'compiled')
        if sides.get(side, {}).get('seconds')
    }
    return min(medians, key=medians.get, default='eager' if 'eager' in sides else '')


def _seconds(side: Mapping[str, Any]) -> str:
    if 'failed' in side:
        return 'failed'
    return f'{statistics.median(side["seconds"]):.3g}' if side.get('seconds') else ''


def _ratio(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    pairs = zip(ours.get('seconds', ()), theirs.get('seconds', ()), strict=False)
    ratios = [their / our for our, their in pairs]
    if not ratios:
        return ''
    return f'{statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})'


def _speed(sides: Mapping[str, Any]) -> tuple[str, str]:
    """Returns GFLOP/s of ours and their share in a matrix product's."""
    flops = sides.get('eager', {}).get('facts', {}).get('flops')
    if not flops or not sides.get('imggen', {}).get('seconds'):
        return '', ''
    speed = flops / statistics.median(sides['imggen']['seconds']) / 1e9
    matrix = sides.get('matrix', {})
    if not matrix.get('seconds'):
        return f'{speed:.0f}', ''
    best = matrix['facts']['flops'] / statistics.median(matrix['seconds']) / 1e9
    return f'{speed:.0f}', f'{speed / best:.0%}'


def _memory(side: Mapping[str, Any]) -> str:
    return f'{side["peak_mib"]:.0f}' if 'peak_mib' in side else ''


def _start(side: Mapping[str, Any]) -> str:
    if 'start' not in side.get('facts', {}):
        return ''
    warm = f' / {side["warm_start"]:.1f}' if 'warm_start' in side else ''
    return f'{side["facts"]["start"]:.1f}{warm}'


def _failures(stored: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = [
        f'* {name}, {side}: failed: {values["failed"]}'
        for name, measured in stored.items()
        for side, values in measured['sides'].items()
        if 'failed' in values
    ]
    return [*found, ''] if found else []


def _circumstances(stored: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Says once what rows have in common: revision, versions, machine, precision."""
    groups = {}
    for name, measured in stored.items():
        facts = [side.get('facts', {}) for side in measured['sides'].values()]
        versions = dict.fromkeys(one['version'] for one in facts if 'version' in one)
        hardware = dict.fromkeys(one['hardware'] for one in facts if 'hardware' in one)
        precision = measured.get('precision', 'float32')
        parts = (', '.join(versions), ', '.join(hardware) or 'unknown hardware', precision)
        key = '; '.join((measured['revision'], *parts))
        groups.setdefault(key, []).append((name, measured['load']))
    return [
        f'* {key}; load of the machine before a row at most {max(load for _, load in members):.1f}'
        + (f': {", ".join(name for name, _ in members)}' if len(groups) > 1 else '')
        for key, members in groups.items()
    ]
