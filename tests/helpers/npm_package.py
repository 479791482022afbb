"""An npm package, and a fake npm that "downloads" it, for tests without a network."""

import io
import pathlib
import tarfile
from collections.abc import Mapping


def offer(folder: pathlib.Path, monkeypatch, name: str, files: Mapping[str, bytes]) -> None:
    """Builds a package and puts a fake npm, which offers it, first in PATH.

    Args:
      folder: where the package and npm are built.
      monkeypatch: pytest's fixture.
      name: the name of the package, with its version.
      files: the content of each file by its path in the archive.
    """
    archive = folder / 'offered.tgz'
    archive.write_bytes(packed(files))
    npm = folder / 'npm' / 'npm'
    npm.parent.mkdir()
    npm.write_text(
        '#!/bin/sh\n'
        'case "$*" in\n'
        f'  "pack {name} --ignore-scripts"*) cp {archive} . ;;\n'
        '  *) echo "npm error code E404" >&2; echo "npm error 404 Not Found" >&2; exit 1 ;;\n'
        'esac\n'
    )
    npm.chmod(0o755)
    monkeypatch.setenv('PATH', str(npm.parent), prepend=':')


def packed(files: Mapping[str, bytes]) -> bytes:
    """Returns a compressed tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:gz') as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
