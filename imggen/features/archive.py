"""Reads .npz archives, and Keras .h5 files by way of one.

An archive that claims more than it holds takes no memory for the claim.
"""

import importlib.util
import io
import math
import pathlib
import subprocess
import sys
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
        return _arrays(path)
    except Exception as error:  # A damaged archive can fail in any way.
        reason = error or type(error).__name__
        raise UserError(f'{path} cannot be read as an .npz archive ({reason}).') from error


def read_keras(path: pathlib.Path) -> dict[str, dict[str, np.ndarray]]:
    """Reads the layers of a Keras .h5 weight file: {layer: {'kernel': array, 'bias': array}}.

    A layer's arrays are told apart by their rank, so that all namings are read: `..._W_1:0`,
    `kernel:0`, and `vars/0` of Keras 3, where a layer's name is the path before `/vars`, such as
    'block1/layers/conv2d_1'. Layers without weights are left out.

    Raises:
      UserError: h5py is not installed, the file is not an HDF5 file, or it holds anything but
        numbers that lie in the file itself, not compressed, as Keras writes them.
    """
    if importlib.util.find_spec('h5py') is None:
        raise UserError(f'{path} is an HDF5 file; run pip install h5py to read it.')
    weights.check_regular(path)
    command = [sys.executable, '-P', str(pathlib.Path(__file__).with_name('keras_file.py'))]
    done = subprocess.run([*command, str(path)], stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        said = done.stderr.decode('utf-8', 'replace').strip().splitlines()
        reason = said[-1] if said and done.returncode == 1 else 'HDF5 fails on it'
        raise UserError(
            f'{path} is not an HDF5 file that can be read safely ({reason}); give a Keras .h5 '
            'weight file.'
        )
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, array in _arrays(io.BytesIO(done.stdout)).items():
        layer, kind = name.rsplit('/', 1)
        layers.setdefault(layer, {})[kind] = array
    return layers


def _arrays(file: pathlib.Path | io.BytesIO) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > _LARGEST_BYTES:
            raise ValueError(f'it unpacks to more than {_LARGEST_BYTES >> 30} GiB')
        return {
            member.filename.removesuffix('.npy'): _array(archive.read(member)) for member in members
        }


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
