"""Checksums of a folder of files, compared before anything in it is trusted.

The checksum of a file is the CRC-32 of its blocks' sums: each block of 1 KiB is summed as 64-bit
words, modulo 2^64. Any flipped bit changes the sum of its block. The sums run at the speed of the
memory; `zlib.crc32` over all bytes cost a tenth of writing a large checkpoint.
"""

import json
import mmap
import os
import pathlib
import zlib

import numpy as np

from imggen import files

NAME = 'checksums.json'
_WORDS = 128  # In a block.
_MAPPED = 1 << 20  # Bytes; larger files are not read as a whole.
_BLOCKS = 1 << 14  # In one pass, so that the sums of a large file need little memory.


def write(folder: pathlib.Path) -> None:
    """Writes the size and the checksum of every file below `folder` to `folder`/checksums.json."""
    files.write_text(folder / NAME, json.dumps(_of(folder), indent=1) + '\n')


def damage(folder: pathlib.Path, *, below: str = '') -> str:
    """Says how `folder` differs from its checksums; '' if it does not, or if it has none.

    Args:
      folder: what `write` was called with.
      below: look only at files whose relative path starts with this.
    """
    try:
        expected = json.loads((folder / NAME).read_bytes())
    except FileNotFoundError:
        return ''  # Written by an earlier version, or killed before the checksums were written.
    except (OSError, ValueError):
        return f'{NAME} cannot be read'
    if not isinstance(expected, dict):
        return f'{NAME} is damaged'
    try:
        found = _of(folder, below=below)
    except OSError as error:
        return f'{error.filename} cannot be read'
    expected = {name: value for name, value in expected.items() if name.startswith(below)}
    differing = [name for name in expected if found.get(name) != expected[name]]
    if not differing:
        return ''
    name = differing[0]
    return f'{name} is missing' if name not in found else f'{name} is not as it was written'


def _of(folder: pathlib.Path, *, below: str = '') -> dict[str, list[int]]:
    """Returns [size, checksum] of every file, by its path below `folder`."""
    root, found = os.fspath(folder), {}
    for parent, _, names in os.walk(root):
        for name in names:
            path = os.path.join(parent, name)
            relative = path[len(root) + 1 :]
            if relative.startswith(below) and relative != NAME and os.path.isfile(path):
                found[relative] = _size_and_checksum(path)
    return found


def _size_and_checksum(path: str) -> list[int]:
    with open(path, 'rb') as file:
        content = file.read(_MAPPED)
        if len(content) < _MAPPED:
            return [len(content), _crc_of_sums(content)]
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return [len(content), _crc_of_sums(content)]


def _crc_of_sums(content: bytes | mmap.mmap) -> int:
    num_bytes = 8 * _WORDS * _BLOCKS
    whole = len(content) // (8 * _WORDS) * (8 * _WORDS)
    crc = zlib.crc32(content[whole:])
    for first in range(0, whole, num_bytes):
        count = min(num_bytes, whole - first) // 8
        words = np.frombuffer(content, '<u8', count=count, offset=first)
        crc = zlib.crc32(words.reshape(-1, _WORDS).sum(axis=1), crc)
        del words  # A view of the map keeps it from being closed.
    return crc
