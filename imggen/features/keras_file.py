"""Reads a Keras .h5 weight file in a process of its own.

  python keras_file.py FILE > arrays.npz

For some damaged files HDF5's C library takes any amount of memory and time, or ends the process,
and nothing in Python can stop it. A process has limits. This program imports nothing of imggen, so
that it starts at once.
"""

import os
import resource
import sys

import h5py
import numpy as np

_MEMORY_BYTES = 2 << 30  # Beside four times the file: the arrays, and as they are written.
_SECONDS = 30  # Of a processor. VGG16's 500 MB take two.


def main(path: str) -> None:
    """Writes the arrays as '<layer>/kernel' and '<layer>/bias' to standard output.

    Raises:
      ValueError: the file holds anything but numbers that lie in the file itself, not compressed.
      Exception: whatever HDF5 finds wrong.
    """
    room = os.path.getsize(path)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES + 4 * room,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS,) * 2)
    arrays = {}

    def visit(name, node):
        nonlocal room
        if not isinstance(node, h5py.Dataset):
            return
        if node.external or node.is_virtual or node.dtype.kind not in 'fiu':
            raise ValueError(f'{name} is not an array of numbers of this file')
        room -= node.nbytes
        if room < 0:
            raise ValueError(f'{name} of shape {node.shape} is larger than the file')
        kind = 'bias' if node.ndim == 1 else 'kernel'
        layer, is_keras_3, _ = name.partition('/vars/')
        layer = layer if is_keras_3 else name.split('/')[0]
        arrays[f'{layer}/{kind}'] = np.asarray(node, np.float32)

    with h5py.File(path, 'r') as file:
        file.get('model_weights', file).visititems(visit)
    np.savez(sys.stdout.buffer, **arrays)


if __name__ == '__main__':
    try:
        main(sys.argv[1])
    except Exception as error:  # A damaged file can fail in any way.
        sys.exit(' '.join(str(error).split()) or type(error).__name__)
