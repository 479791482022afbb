"""Weight files: finds them, and checks that they are the published ones.

Weights in packages are found as installed files; the code of these packages is never imported.
A file is read only after its SHA-256 has been compared.
"""

import hashlib
import importlib.metadata
import pathlib
import urllib.request

from imggen import files
from imggen.errors import UserError

_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 20


def find(
    package: str, relative_path: str, *, install: str = "pip install -e '.[pretrained]'"
) -> pathlib.Path:
    """Returns the path of a file in an installed package, given relative to site-packages.

    Args:
      package: its name.
      relative_path: of the file.
      install: the command that installs the package, for the message.

    Raises:
      UserError: the package is not installed, or does not have the file.
    """
    try:
        path = pathlib.Path(importlib.metadata.distribution(package).locate_file(relative_path))
    except importlib.metadata.PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise UserError(
            f'The pretrained weights of the package {package} are not installed; run {install}.'
        )
    return path


def check_regular(path: pathlib.Path) -> None:
    """Raises UserError if there is no file, or if reading it could wait for ever, as a pipe's."""
    if not path.exists():
        raise UserError(f'{path} does not exist; give the path of a weight file.')
    if not path.is_file():
        raise UserError(f'{path} is not a regular file; give the path of a weight file.')


def sha256(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file's contents: 64 hexadecimal digits.

    Raises:
      UserError: the file cannot be read.
    """
    check_regular(path)
    try:
        with path.open('rb') as file:
            return hashlib.file_digest(file, 'sha256').hexdigest()
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror}); check the path.') from error


def verify(path: pathlib.Path, expected: str) -> None:
    """Compares a file's SHA-256 with `expected`, which may be its first digits only.

    Raises:
      UserError: they differ.
    """
    found = sha256(path)
    if not found.startswith(expected):
        raise UserError(
            f'{path} is not the published file: its SHA-256 begins {found[:8]}, not '
            f'{expected[:8]}; remove it and fetch it again.'
        )


def fetch(url: str, path: pathlib.Path, expected: str) -> None:
    """Downloads a file to `path`, which appears only when it is whole and verified.

    Raises:
      UserError: the file cannot be fetched, or its SHA-256 differs from `expected`.
    """
    try:
        with files.writing(path) as partial:
            with (
                urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response,
                partial.open('wb') as file,
            ):
                while chunk := response.read(_CHUNK_BYTES):
                    file.write(chunk)
            verify(partial, expected)
    except OSError as error:
        raise UserError(f'{url} cannot be fetched; put the file at {path}.') from error
