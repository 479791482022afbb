"""Reads .npz archives. An archive that claims more than it holds takes no memory for the claim."""

import io
import math
import pathlib
import zipfile

import numpy as np

from imggen.errors import UserError
from imggen.features import weights

_LARGEST_BYTES = 4 << 30  # Of all arrays together, since an archive may be compressed.
_KINDS = 'fiubU'  # Floats, integers, truth values and text.


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the arrays of an archive by name; they cannot be written to.

    Raises:
      UserError: there is no such file, or it holds anything but arrays of numbers and text.
    """
    weights.check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > _LARGEST_BYTES:
                raise ValueError(f'it unpacks to more than {_LARGEST_BYTES >> 30} GiB')
            return {
                member.filename.removesuffix('.npy'): _array(archive.read(member))
                for member in members
            }
    except Exception as error:  # A damaged archive can fail in any way.
        reason = error or type(error).__name__
        raise UserError(f'{path} cannot be read as an .npz archive ({reason}).') from error


def _array(data: bytes) -> np.ndarray:
    """Reads one .npy file. NumPy's reader makes an array of the claimed shape first."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, is_fortran, dtype = read_header(file)
    if dtype.kind not in _KINDS or dtype.shape:
        raise ValueError(f'it holds an array of type {dtype}')
    if math.prod(shape) * dtype.itemsize != len(data) - file.tell():
        raise ValueError(f'an array of shape {shape} is not as long as its data')
    flat = np.frombuffer(data, dtype, math.prod(shape), file.tell())
    return flat.reshape(shape, order='F' if is_fortran else 'C')
