"""Finds the collectives in the HLO text of a compiled program, and estimates what they cost."""

import math
import re
from typing import NamedTuple

_KINDS = ('all-reduce', 'all-gather', 'reduce-scatter', 'all-to-all', 'collective-permute')
_COLLECTIVE = re.compile(rf'= (.*?) ({"|".join(_KINDS)})(?:-start)?\(')
_ARRAY = re.compile(r'\b(pred|bf16|f16|f32|s32|u32)\[([\d,]*)\]')
_BYTES = {'pred': 1, 'bf16': 2, 'f16': 2}  # Four for the others.


class Collective(NamedTuple):
    """One collective operation: how many arrays of each sort it carries, and how many bytes."""

    kind: str
    kernels: int
    vectors: int
    scalars: int
    bytes: int
    kernel_bytes: int


def collectives(program: str, kernels: list[tuple[int, ...]]) -> list[Collective]:
    """Reads the collectives of a compiled program.

    Args:
      program: HLO text.
      kernels: shapes of the parameters with two axes or more. An array with one of these shapes,
        up to the order of axes and axes of length one, counts as a gradient.
    """
    known = {_essence(shape) for shape in kernels}
    found = []
    for types, kind in _COLLECTIVE.findall(program):
        shapes = [
            (tuple(map(int, filter(None, sizes.split(',')))), _BYTES.get(dtype, 4))
            for dtype, sizes in _ARRAY.findall(types)
        ]
        is_kernel = [_essence(shape) in known for shape, _ in shapes]
        is_scalar = [math.prod(shape) == 1 for shape, _ in shapes]
        sizes = [math.prod(shape) * width for shape, width in shapes]
        found.append(
            Collective(
                kind=kind,
                kernels=sum(is_kernel),
                vectors=len(shapes) - sum(is_kernel) - sum(is_scalar),
                scalars=sum(is_scalar),
                bytes=sum(sizes),
                kernel_bytes=sum(
                    size for size, kernel in zip(sizes, is_kernel, strict=True) if kernel
                ),
            )
        )
    return found


def seconds(kind: str, size: int, num_devices: int, bandwidth: float, hop: float) -> float:
    """Returns the seconds that a collective of `size` bytes over n devices takes.

    That of a sum (all-reduce) is the better of two ways; the others take half of it.

    A ring, with a reduce-scatter and an all-gather of n - 1 hops that move size / n each:
      2 (n - 1) / n size / bandwidth + 2 (n - 1) hop.
    Two binary trees at once, up and down:
      2 size / bandwidth + 2 log2(n) hop.
    """
    hops = 2 * (num_devices - 1)
    ring = hops / num_devices * size / bandwidth + hops * hop
    tree = 2 * size / bandwidth + 2 * math.log2(num_devices) * hop
    return min(ring, tree) / (1 if kind == 'all-reduce' else 2)


def _essence(shape):
    return tuple(sorted(size for size in shape if size > 1))
