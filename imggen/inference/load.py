"""From a workdir to a trained method that samples."""

import difflib
import pathlib

from jax.sharding import Mesh

from imggen import methods
from imggen.errors import UserError
from imggen.workdir.restore import Restored, restore

_SHIPPED = pathlib.Path(__file__).parent / 'models'


def folder(workdir: str | pathlib.Path) -> pathlib.Path:
    """Returns the folder that a name means: of a run, or of a shipped model, such as 'drawings'.

    A run or a model in a folder of that name comes first; pictures in it do not count.

    Raises:
      UserError: there is no such folder, and the name is nearly that of a model.
    """
    path = pathlib.Path(workdir)
    names = [model.name for model in _SHIPPED.iterdir()]
    close = difflib.get_close_matches(str(workdir), names, n=1)
    if close and path.name == str(workdir) not in names and not path.exists():
        raise UserError(f'{workdir} does not exist: did you mean {close[0]!r}?')
    is_run = (path / 'config.json').exists()
    return _SHIPPED / path if str(workdir) in names and not is_run else path


def load(
    workdir: str | pathlib.Path, *, which: str | int = 'newest', mesh: Mesh | None = None
) -> Restored:
    """Restores a run of any method.

    Args:
      workdir: the folder of the run or of an exported model, or 'drawings' (see `folder`).
      which: the checkpoint: 'newest', 'best' or the number of a step.
      mesh: the devices; all of them by default.

    Raises:
      UserError: no run, no checkpoint, or no such step.
    """
    return restore(folder(workdir), methods.make, which=which, mesh=mesh)


def with_guidance(restored: Restored, guidance: float) -> Restored:
    """Returns the run of a flow with another factor of guidance than its config has.

    Raises:
      UserError: the method of the run has no guidance.
    """
    check_guidance(restored)
    section = {**restored.config['method'], 'guidance': guidance}
    config = {**restored.config, 'method': section}
    return restored._replace(config=config, method=methods.make(section))


def check_guidance(restored: Restored) -> None:
    """Raises UserError if the method of the run has no guidance."""
    if restored.method.guidance is None:
        raise UserError(
            'the run keeps no worse network to be guided by: leave the guidance out, or train a '
            'flow with config.method.early=0.125 or with classes.'
        )
