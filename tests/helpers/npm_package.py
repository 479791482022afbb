"""npm packages, and a fake npm that "downloads" them, for tests without a network."""

import io
import pathlib
import tarfile
from collections.abc import Mapping


def offer(folder: pathlib.Path, monkeypatch, packages: Mapping[str, Mapping[str, bytes]]) -> None:
    """Builds packages and puts a fake npm, which offers them, first in PATH.

    Args:
      folder: where the packages and npm are built.
      monkeypatch: pytest's fixture.
      packages: of each package by its name and version, the content of each file by its path in
        the archive.
    """
    npm = folder / 'npm' / 'npm'
    npm.parent.mkdir()
    cases = ''
    for number, (name, files) in enumerate(packages.items()):
        archive = npm.with_name(f'{number}.tgz')
        archive.write_bytes(packed(files))
        cases += f'  "pack {name} --ignore-scripts"*) cp {archive} . ;;\n'
    npm.write_text(
        '#!/bin/sh\n'
        'case "$*" in\n'
        f'{cases}'
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
