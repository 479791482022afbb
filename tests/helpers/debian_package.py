"""A package of the real layout, and an apt-get that "downloads" it, for tests without network."""

import pathlib
import subprocess
from collections.abc import Mapping


def offer(
    folder: pathlib.Path, monkeypatch, name: str, files: Mapping[str, bytes], *, has_lists=True
) -> None:
    """Builds a package of `files` by their paths and puts the apt-get that has it first in PATH.

    Without `has_lists` it downloads only after an update of lists of its own.
    """
    root = folder / 'package'
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    control = root / 'DEBIAN' / 'control'
    control.parent.mkdir()
    control.write_text(
        f'Package: {name}\nVersion: 1\nArchitecture: all\n'
        'Maintainer: nobody <nobody@localhost>\nDescription: of a test\n'
    )
    archive = folder / f'{name}_1_all.deb'
    subprocess.run(['dpkg-deb', '--build', root, archive], check=True)
    apt_get = folder / 'bin' / 'apt-get'
    apt_get.parent.mkdir()
    apt_get.write_text(
        '#!/bin/sh\n'
        'case "$*" in\n'
        '  *Dir::State=*update) touch updated ;;\n'
        f'  *download\\ {name}) test {int(has_lists)} = 1 || test -e updated || exit 100\n'
        f'    cp {archive} . ;;\n'
        '  *) echo "E: Unable to locate package" >&2; exit 100 ;;\n'
        'esac\n'
    )
    apt_get.chmod(0o755)
    monkeypatch.setenv('PATH', str(apt_get.parent), prepend=':')
