"""Unpacks what is wanted of a tar archive from outside."""

import fnmatch
import pathlib
import shutil
import tarfile
from typing import BinaryIO

_MAX_BYTES = 4 * 2**30
_MAX_FILES = 100_000


def extract(content: BinaryIO, folder: pathlib.Path, patterns: tuple[str, ...]) -> None:
    """Extracts the regular files whose path matches one of the patterns.

    Links, devices and folders of the archive are left out, so that no file can be written through
    them. Permissions and owners are not taken over.

    Args:
      content: the archive, compressed or not; it is read once, from its start to its end.
      folder: where the files go, below their paths in the archive.
      patterns: of paths, without a leading './'; a '*' also stands for slashes.

    Raises:
      OSError: the archive is damaged, too large, or leads out of the folder.
    """
    total = 0
    try:
        with tarfile.open(fileobj=content, mode='r|*') as archive:
            for count, member in enumerate(archive):
                total += member.size
                if total > _MAX_BYTES or count >= _MAX_FILES:
                    raise OSError('the archive is larger than any that this project knows')
                name = member.name.removeprefix('./')
                if member.isreg() and any(fnmatch.fnmatchcase(name, one) for one in patterns):
                    _write(archive.extractfile(member), folder, name)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise OSError(f'the archive cannot be unpacked ({error})') from error


def _write(content: BinaryIO, folder: pathlib.Path, name: str) -> None:
    # The filters of tarfile do the same, but Debian 12's Python 3.11.2 has none.
    path = pathlib.PurePosixPath(name)
    if path.is_absolute() or '..' in path.parts:
        raise ValueError(f'{name!r} leads out of it')
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, 'wb') as file:
        shutil.copyfileobj(content, file)
