"""Files of Debian's packages without root: downloaded and unpacked, never installed."""

import pathlib
import subprocess

_APT_GET = ('apt-get', '-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20')
_TIMEOUT_SECONDS = 300


def unpack(package: str, scratch: pathlib.Path) -> pathlib.Path:
    """Downloads `package` into `scratch`, an empty folder, and returns where its root is there.

    Needs apt-get and dpkg-deb. Raises OSError or subprocess.SubprocessError where it does not
    work out.
    """
    try:
        _run([*_APT_GET, 'download', package], scratch)
    except OSError:  # No package lists: get some of our own.
        private = _private_options(scratch)
        _run([*_APT_GET, *private, 'update'], scratch)
        _run([*_APT_GET, *private, 'download', package], scratch)
    (archive,) = scratch.glob('*.deb')
    _run(['dpkg-deb', '--extract', str(archive), 'unpacked'], scratch)
    return scratch / 'unpacked'


def _private_options(scratch: pathlib.Path) -> list[str]:
    """Points apt-get at lists and caches of its own, which any user may write."""
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
