"""What a run was made with: revision, changed files, versions, variables, driver."""

import contextlib
import functools
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess

# Pictures and notes that lie about elsewhere in a clone are no part of what runs.
_CODE = (':/imggen', ':/experiments', ':/configs')
_VERSIONED = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy', 'imggen')
# Variables that change what is computed, or how fast. Others may hold secrets.
_VARIABLES = re.compile(r'(JAX|XLA|CUDA|CUDNN|NCCL|TPU|LIBTPU|OMP|MKL|OPENBLAS)_\w+')
_SECRET = re.compile(r'TOKEN|SECRET|PASS|KEY|CREDENTIAL', re.IGNORECASE)
_PATCH_BYTES = 1 << 20
_CHANGED_BYTES = 32 << 20  # Of all changed files; git holds them in memory.
_LEFT_OUT = '# The changes are left out: '
_DRIVER = pathlib.Path('/proc/driver/nvidia/version')


def changed() -> list[str]:
    """Returns the files that differ from the revision: tracked ones, and new ones among the code.

    [] without git.
    """
    try:
        return [*_split(_git('diff', 'HEAD', '--name-only', '-z')), *_new()]
    except (OSError, subprocess.SubprocessError):
        return []


def revision() -> str:
    """Returns the git revision of the code, with '+changes' if files differ; '' without git."""
    try:
        return _git('rev-parse', '--short=12', 'HEAD').strip() + '+changes' * bool(changed())
    except (OSError, subprocess.SubprocessError):
        return ''


def patch() -> str:
    """Returns the changes as a patch that `git apply` takes; '' without any.

    A patch of more than 1 MiB, or of large files, is left out, and one line says so.
    """
    how = ('diff', '--binary', '--no-color', '--no-ext-diff', '--no-textconv')
    try:
        size = sum(map(_size, changed()))
        if size > _CHANGED_BYTES:
            return f'{_LEFT_OUT}the files have {size:,} bytes.\n'
        parts = [_git(*how, 'HEAD')]
        for name in _new():
            parts.append(_git(*how, '--no-index', '--', os.devnull, name, differs=True))
    except subprocess.TimeoutExpired as error:
        return f'{_LEFT_OUT}git took more than {error.timeout:.0f} s.\n'
    except (OSError, subprocess.SubprocessError):
        return ''
    text = ''.join(parts)
    size = len(text.encode('utf-8', 'surrogateescape'))
    if size > _PATCH_BYTES:
        return f'{_LEFT_OUT}they have {size:,} bytes.\n'
    return text


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that compute."""
    found = {'python': platform.python_version()}
    for name in _VERSIONED:
        # imggen itself has no version if it is on the path but not installed.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def environment() -> dict[str, str]:
    """Returns the variables, such as XLA_FLAGS, that change what is computed or how fast."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if _VARIABLES.fullmatch(name) and not _SECRET.search(name)
    }


def driver() -> str:
    """Returns the version of the NVIDIA driver; '' without one."""
    try:
        found = re.search(r'\d+\.\d+(\.\d+)?', _DRIVER.read_text())
    except OSError:
        return ''
    return found[0] if found else ''


def _size(name: str) -> int:
    """Returns the bytes of a file of the clone; 0 for one that was removed."""
    try:
        return os.lstat(os.path.join(_top(__file__), name)).st_size
    except OSError:
        return 0


def _new() -> list[str]:
    """Returns the files among the code that git does not know."""
    listed = _git('ls-files', '--others', '--exclude-standard', '--full-name', '-z', *_CODE)
    return _split(listed)


def _split(names: str) -> list[str]:
    return [name for name in names.split('\0') if name]


def _git(*arguments: str, differs: bool = False) -> str:
    """Calls git at the top of the clone; `differs` says that the status 1 is no failure."""
    return _call(*arguments, folder=_top(__file__), statuses=(0, 1) if differs else (0,))


@functools.cache
def _top(file: str) -> str:
    folder = pathlib.Path(file).parent
    # This fails if the repository only happens to contain the environment of an installation.
    _call('ls-files', '--error-unmatch', file, folder=folder)
    return _call('rev-parse', '--show-toplevel', folder=folder).rstrip('\n')


def _call(*arguments: str, folder: str | pathlib.Path, statuses: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(['git', *arguments], cwd=folder, capture_output=True, timeout=10)
    if done.returncode not in statuses:
        done.check_returncode()
    return done.stdout.decode('utf-8', 'surrogateescape')
