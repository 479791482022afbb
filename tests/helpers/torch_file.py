"""PyTorch files written opcode by opcode.

So the tests need no PyTorch, and can write what PyTorch never would.
"""

import pickle
import zipfile

import numpy as np


def constant(x) -> bytes:
    """Returns the opcodes that push a plain value."""
    return pickle.dumps(x, protocol=2)[2:-1]  # Without PROTO and STOP.


def global_name(module: str, attribute: str) -> bytes:
    return f'c{module}\n{attribute}\n'.encode()


def call(function: bytes, *args: bytes) -> bytes:
    return function + b'(' + b''.join(args) + b'tR'


def document(body: bytes) -> bytes:
    return b'\x80\x02' + body + b'.'


def tensor(key, shape, strides, *, offset=0, storage='FloatStorage', numel=1) -> bytes:
    pid = (
        b'(' + constant('storage') + global_name('torch', storage) + constant(key) + constant('cpu')
    )
    pid += constant(numel) + b'tQ'
    hooks = call(global_name('collections', 'OrderedDict'))
    rebuild = global_name('torch._utils', '_rebuild_tensor_v2')
    return call(
        rebuild, pid, constant(offset), constant(shape), constant(strides), constant(False), hooks
    )


def state_dict(**tensors: bytes) -> bytes:
    return b'}' + b''.join(constant(key) + item + b's' for key, item in tensors.items())


def zip_file(path, body: bytes, *storages: bytes, byteorder=b'little', compression=0):
    with zipfile.ZipFile(path, 'w', compression) as archive:
        archive.writestr('archive/data.pkl', document(body))
        archive.writestr('archive/byteorder', byteorder)
        for index, data in enumerate(storages):
            archive.writestr(f'archive/data/{index}', data)
    return path


LEGACY_HEADER = b''.join(
    pickle.dumps(part, protocol=2)
    for part in (0x1950A86A20F9469CFC6C, 1001, {'little_endian': True})
)


def legacy_bytes(body: bytes, *storages: tuple[int, bytes]) -> bytes:
    keys = pickle.dumps([str(index) for index in range(len(storages))], protocol=2)
    data = b''.join(np.int64(count).tobytes() + data for count, data in storages)
    return LEGACY_HEADER + document(body) + keys + data
