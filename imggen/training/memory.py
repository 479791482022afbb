"""Memory that a program needs, beside what its device has, before the first step."""

import pathlib
from collections.abc import Callable

import jax
from jax.sharding import Mesh

from imggen.errors import UserError

_MIB = 2**20
_PROC, _CGROUPS = pathlib.Path('/proc'), pathlib.Path('/sys/fs/cgroup')


def check(
    phase: str, program: jax.stages.Compiled, mesh: Mesh, *, say: Callable[[str], None]
) -> None:
    """Says what a compiled phase needs on each device.

    That is its arguments, its outputs and its temporary arrays, without the outputs that take the
    place of arguments. Nothing is said if the device does not tell what it has.

    Raises:
      UserError: the device has less.
    """
    sizes = program.memory_analysis()
    if sizes is None:
        return
    held = sizes.argument_size_in_bytes
    needed = held + sizes.temp_size_in_bytes
    needed += sizes.output_size_in_bytes - sizes.alias_size_in_bytes
    has = available(mesh, held=held)
    if has is None:
        return
    if needed > has:
        raise UserError(
            f'phase {phase!r} needs {_mib(needed)} MiB of memory on each device, which has '
            f'{_mib(has)}: make config.data.batch_size, the images or the networks smaller, or set '
            'config.run.microbatch_size to a part of the batch.'
        )
    say(f'phase {phase!r} needs {_mib(max(needed, _MIB))} of the {_mib(has)} MiB that are free')


def available(mesh: Mesh, *, held: int = 0) -> int | None:
    """Returns the bytes that each device of this process has for a program; None if unknown.

    For a GPU or a TPU it is all that JAX may use there. The devices of a CPU share what the machine
    can give at the moment, and what their arguments hold already, `held` bytes each.
    """
    device, *others = mesh.local_devices
    if device.platform != 'cpu':
        return (device.memory_stats() or {}).get('bytes_limit')
    kilobytes = dict(line.split(':', 1) for line in _read(_PROC / 'meminfo').splitlines())
    if 'MemAvailable' not in kilobytes:
        return None
    free, swap = (
        1024 * int(kilobytes.get(name, '0').split()[0]) for name in ('MemAvailable', 'SwapFree')
    )
    count = len(others) + 1
    return min([free + count * held, *_limits()]) // count + swap // count


def _limits() -> list[int]:
    """Returns the limits of the control groups, of both versions, that this process is in."""
    found = []
    for line in _read(_PROC / 'self/cgroup').splitlines():
        _, controllers, path = line.split(':', 2)
        if controllers not in ('', 'memory'):
            continue
        name = 'memory.limit_in_bytes' if controllers else 'memory.max'
        root = _CGROUPS / controllers
        group = root / path.lstrip('/')
        for folder in (group, *group.parents):
            if folder.is_relative_to(root):
                found.append(_read(folder / name).strip())
    return [int(text) for text in found if text.isdigit()]


def _mib(size: int) -> str:
    return f'{size / _MIB:,.0f}'


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ''
