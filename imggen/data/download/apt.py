"""Gets files of Debian packages without root: downloads and unpacks, installs nothing."""

import pathlib
import subprocess
import tempfile

from imggen.data.download import archive, program

CURE = 'check the network and the package sources (apt-get update), or run this on Debian or Ubuntu'
_APT_GET = ('apt-get', '-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20')


def unpack(package: str, folder: pathlib.Path, patterns: tuple[str, ...]) -> None:
    """Downloads a package and unpacks the files whose paths match the patterns into a folder.

    It needs apt-get and dpkg-deb. The scripts of the package do not run.

    Raises:
      OSError: the package cannot be downloaded or unpacked.
    """
    with tempfile.TemporaryDirectory(prefix='imggen-') as name:
        scratch = pathlib.Path(name)
        try:
            program.run([*_APT_GET, 'download', package], scratch)
        except OSError:  # The machine may have no package lists, so download our own.
            private = _private_options(scratch)
            program.run([*_APT_GET, *private, 'update'], scratch)
            program.run([*_APT_GET, *private, 'download', package], scratch)
        (file,) = scratch.glob('*.deb')
        command = ['dpkg-deb', '--fsys-tarfile', str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tar:
            archive.extract(tar.stdout, folder, patterns)


def _private_options(scratch: pathlib.Path) -> list[str]:
    """Returns options that give apt-get its own lists and caches, which any user may write."""
    for name in ('state/lists/partial', 'cache/archives/partial'):
        (scratch / name).mkdir(parents=True)
    settings = {
        'Dir::State': f'{scratch}/state',
        'Dir::State::status': '/var/lib/dpkg/status',
        'Dir::Cache': f'{scratch}/cache',
        'APT::Sandbox::User': 'root',
    }
    return [part for name, value in settings.items() for part in ('-o', f'{name}={value}')]
