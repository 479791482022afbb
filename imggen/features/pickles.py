"""Reads weight files that are pickles without running their code.

A pickle is a program: unpickled in the usual way, it may call any function. Here every name
that a file asks for is looked up in a short table of stand-ins, which hold the contents of the
file and call nothing. A file that asks for any other name is refused. So neither NumPy's nor
PyTorch's code takes part in reading, and PyTorch need not be installed.

There are three layouts: a pickle of NumPy arrays in dicts, and the two of PyTorch (a zip
archive since version 1.6, and several pickles in a row before).
"""

import collections
import itertools
import math
import pathlib
import pickle
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, NamedTuple

import numpy as np

from imggen.errors import UserError
from imggen.features import weights

_STORAGES = {
    'FloatStorage': 'f4',
    'DoubleStorage': 'f8',
    'HalfStorage': 'f2',
    'LongStorage': 'i8',
    'IntStorage': 'i4',
    'ByteStorage': 'u1',
    'BoolStorage': '?',
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_MOST_ENTRIES = 100_000


class _Storage(NamedTuple):
    """The type of a tensor's bytes: a NumPy type code without its byte order."""

    code: str


class _Tensor(NamedTuple):
    """A tensor as the file describes it: a strided view of a storage, which has a key."""

    code: str
    storage_key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _RefusedError(Exception):
    """The file holds something that does not belong in a weight file."""


class _Unpickler(pickle.Unpickler):
    """Resolves only names in `stand_ins`."""

    def __init__(
        self, file: IO[bytes], stand_ins: Mapping[str, Any], persistent_load: Callable | None = None
    ):
        super().__init__(file)
        self._stand_ins = stand_ins
        self._persistent_load = persistent_load

    def find_class(self, module, name):
        try:
            return self._stand_ins[f'{module}.{name}']
        except KeyError:
            raise _RefusedError(f'it asks for {module}.{name}') from None

    def persistent_load(self, pid):
        if self._persistent_load is None:
            raise _RefusedError('it refers to objects outside itself')
        return self._persistent_load(pid)

    @classmethod
    def read(cls, file: IO[bytes], *arguments) -> Any:
        """Loads the next pickle of a file, and leaves the file at the end of the pickle."""
        start = file.tell()
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            # The memo is an array as long as the largest number: four bytes could ask for 32 GiB.
            if opcode.name in ('PUT', 'BINPUT', 'LONG_BINPUT') and not 0 <= argument <= count:
                raise _RefusedError(f'it numbers its object {count} as {argument}')
        file.seek(start)
        return cls(file, *arguments).load()


def read_numpy(path: pathlib.Path) -> dict:
    """Reads a pickle of NumPy arrays in nested dicts.

    Raises:
      UserError: the file is damaged, or holds anything but dicts and numeric arrays.
    """

    def read():
        with path.open('rb') as file:
            return _arrays(_Unpickler.read(file, _numpy_stand_ins()), itertools.count())

    return _guarded(path, read)


def read_torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads a PyTorch state dict: {name: array}, in PyTorch's layout of axes.

    Raises:
      UserError: the file is damaged, or holds anything but named tensors.
    """
    return _guarded(path, lambda: (_zip if zipfile.is_zipfile(path) else _legacy)(path))


def _guarded(path: pathlib.Path, read: Callable[[], dict]) -> dict:
    weights.check_regular(path)
    # A damaged or hostile pickle can fail in any way, and each means the same to the user.
    try:
        return read()
    except Exception as error:
        raise UserError(
            f'{path} is not a weight file that can be read safely '
            f'({error or type(error).__name__}); fetch it again from its publisher.'
        ) from error


def _numpy_stand_ins() -> dict[str, Any]:
    # They are made for each file, because a pickle may set attributes of what it is given.
    class DType:
        def __init__(self, code, align=False, copy=False):
            self.code, self.order = code, '|'

        def __setstate__(self, state):
            self.order = state[1]

        def resolve(self) -> np.dtype:
            if not isinstance(self.code, str) or not re.fullmatch('[fiub][0-9]+', self.code):
                raise _RefusedError(f'it holds an array of type {self.code!r}')
            return np.dtype(self.code).newbyteorder(self.order)

    class Array:
        def __setstate__(self, state):
            _, shape, dtype, is_fortran, data = state
            order = 'F' if is_fortran else 'C'
            self.value = np.frombuffer(data, dtype.resolve()).reshape(shape, order=order)

    stand_ins = {'numpy.dtype': DType, 'numpy.ndarray': None}
    for core in ('numpy.core', 'numpy._core'):
        stand_ins[f'{core}.multiarray._reconstruct'] = lambda *_: Array()
    return stand_ins


def _arrays(tree, entries: Iterator[int]):
    # A dict may hold another one twice, and so on: a short file can stand for any number.
    if next(entries) > _MOST_ENTRIES:
        raise _RefusedError(f'it has more than {_MOST_ENTRIES} entries')
    if isinstance(tree, dict):
        return {str(name): _arrays(value, entries) for name, value in tree.items()}
    value = getattr(tree, 'value', None)
    if not isinstance(value, np.ndarray):
        raise _RefusedError(f'it holds a {type(tree).__name__} where an array should be')
    return value


def _torch_stand_ins() -> dict[str, Any]:
    def tensor(storage, offset, shape, strides, *_):
        code, key = storage
        return _Tensor(code, key, offset, tuple(shape), tuple(strides))

    return {
        'collections.OrderedDict': collections.OrderedDict,
        'torch._utils._rebuild_tensor': tensor,
        'torch._utils._rebuild_tensor_v2': tensor,
        'torch._utils._rebuild_parameter': lambda data, *_: data,
        **{f'torch.{name}': _Storage(code) for name, code in _STORAGES.items()},
    }


def _storage_of(pid) -> tuple[str, str]:
    """Reads a persistent id: ('storage', type, key, device, elements, ...)."""
    kind, storage, key = pid[:3]
    if kind != 'storage' or not isinstance(storage, _Storage):
        raise _RefusedError('it refers to something that is not a storage')
    return storage.code, str(key)


def _zip(path: pathlib.Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise _RefusedError('its entries are compressed')
        [pickled] = [name for name in archive.namelist() if name.endswith('/data.pkl')]
        root = pickled.removesuffix('data.pkl')
        order = '<'
        if f'{root}byteorder' in archive.namelist():
            order = {b'little': '<', b'big': '>'}[archive.read(f'{root}byteorder')]
        with archive.open(pickled) as file:
            tree = _Unpickler.read(file, _torch_stand_ins(), _storage_of)
        keys = dict.fromkeys(tensor.storage_key for tensor in _named_tensors(tree).values())
        entries = {key: archive.getinfo(f'{root}data/{key}') for key in keys}
        if sum(entry.file_size for entry in entries.values()) > path.stat().st_size:
            raise _RefusedError('its storages are larger than the file')
        storages = {key: archive.read(entry) for key, entry in entries.items()}
        return _tensors(tree, order, storages)


def _legacy(path: pathlib.Path) -> dict[str, np.ndarray]:
    with path.open('rb') as file:

        def load():
            return _Unpickler.read(file, _torch_stand_ins(), _storage_of)

        if load() != _LEGACY_MAGIC or load() != _LEGACY_PROTOCOL:
            raise _RefusedError('it does not begin like a PyTorch file')
        order = '<' if load()['little_endian'] else '>'
        tree = load()
        codes = {tensor.storage_key: tensor.code for tensor in _named_tensors(tree).values()}
        storages = {}
        for key in load():  # The storages follow, each with its number of elements in front.
            count = int(np.frombuffer(file.read(8), f'{order}i8')[0])
            size = count * np.dtype(codes[key]).itemsize
            if not 0 <= size <= path.stat().st_size:
                raise _RefusedError('a storage is larger than the file')
            storages[key] = file.read(size)
        return _tensors(tree, order, storages)


def _named_tensors(tree) -> dict[str, _Tensor]:
    if not isinstance(tree, dict) or not tree:
        raise _RefusedError('it holds no state dict')
    for name, tensor in tree.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise _RefusedError(f'its entry {name!r} is not a tensor')
    return tree


def _tensors(tree, order: str, storages: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    return {
        name: _view(tensor, storages[tensor.storage_key], order)
        for name, tensor in _named_tensors(tree).items()
    }


def _view(tensor: _Tensor, data: bytes, order: str) -> np.ndarray:
    """Returns a tensor without a copy: hundreds of tensors may lie on one storage."""
    values = np.frombuffer(data, np.dtype(tensor.code).newbyteorder(order))
    shape, strides, offset = tensor.shape, tensor.strides, tensor.offset
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or (0 not in shape and last >= len(values)):
        raise _RefusedError('a tensor reaches beyond its storage')
    if math.prod(shape) > len(values):  # Strides of 0 could make it any size.
        raise _RefusedError('a tensor is larger than its storage')
    steps = [step * values.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False)
