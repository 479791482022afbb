"""A Debian package, and a fake apt-get that "downloads" it, for tests without a network."""

import pathlib
import subprocess
from collections.abc import Mapping


def offer(
    folder: pathlib.Path, monkeypatch, name: str, files: Mapping[str, bytes], *, has_lists=True
) -> None:
    """Builds a package and puts a fake apt-get, which offers it, first in PATH.

    Args:
      folder: where the package and apt-get are built.
      monkeypatch: pytest's fixture.
      name: the name of the package.
      files: the content of each file by its path.
      has_lists: without it, apt-get downloads only after it has updated private lists.
    """
    root = folder / 'package'
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    control = root / 'DEBIAN' / 'control'
    control.parent.mkdir()
    control.write_text(
        f'Package: {name}\nVersion: 1\nArchitecture: all\n'
        'Maintainer: nobody <nobody@localhost>\nDescription: for a test\n'
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
