"""From a workdir to a trained method that samples."""

import pathlib

from jax.sharding import Mesh

from imggen import methods
from imggen.workdir.restore import Restored, restore

SHIPPED = pathlib.Path(__file__).parent / 'models'


def load(
    workdir: str | pathlib.Path, *, which: str | int = 'newest', mesh: Mesh | None = None
) -> Restored:
    """Restores a run of any method.

    Args:
      workdir: the folder of the run or of an exported model; or, where there is no such folder,
        the name of a model that is shipped: 'drawings'.
      which: the checkpoint: 'newest', 'best' or the number of a step.
      mesh: the devices; all of them by default.

    Raises:
      UserError: no run, no checkpoint, or no such step.
    """
    shipped = {folder.name: folder for folder in SHIPPED.iterdir()}
    if not pathlib.Path(workdir).exists():
        workdir = shipped.get(str(workdir), workdir)
    return restore(workdir, methods.make, which=which, mesh=mesh)
