"""Gets the files of Debian packages without root: downloads and unpacks, installs nothing."""

import pathlib
import subprocess

_APT_GET = ('apt-get', '-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20')
_TIMEOUT_SECONDS = 300


def unpack(package: str, scratch: pathlib.Path) -> pathlib.Path:
    """Downloads a package and unpacks it in `scratch`, an empty folder.

    It needs apt-get and dpkg-deb.

    Returns:
      The folder inside `scratch` that stands for the root of the file system.

    Raises:
      OSError, subprocess.SubprocessError: the package cannot be downloaded or unpacked.
    """
    try:
        _run([*_APT_GET, 'download', package], scratch)
    except OSError:  # The machine may have no package lists, so download our own.
        private = _private_options(scratch)
        _run([*_APT_GET, *private, 'update'], scratch)
        _run([*_APT_GET, *private, 'download', package], scratch)
    (archive,) = scratch.glob('*.deb')
    _run(['dpkg-deb', '--extract', str(archive), 'unpacked'], scratch)
    return scratch / 'unpacked'


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


def _run(command: list[str], folder: pathlib.Path) -> None:
    result = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, timeout=_TIMEOUT_SECONDS, text=True
    )
    if result.returncode:
        reason = result.stderr.strip().splitlines() or [f'exit status {result.returncode}']
        raise OSError(f'{command[0]}: {reason[-1]}')
