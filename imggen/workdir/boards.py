"""Second writers of what a run records: TensorBoard and Weights & Biases.

metrics.jsonl and samples/ stay the truth, and nothing is read back from a board. A board has

  scalars(step, values)          values by name, such as 'train/loss'
  picture(step, name, picture)   a sheet, uint8 [height, width, channels]
  close()
"""

import hashlib
import importlib.util
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from imggen.errors import UserError
from imggen.workdir.reader import flatten


class TensorBoard:
    """Event files in `workdir`/tensorboard, with the options of the config as hyper-parameters."""

    def __init__(self, workdir: pathlib.Path, config: Mapping[str, Any]):
        from tensorboardX import SummaryWriter, summary

        self._writer = SummaryWriter(str(workdir / 'tensorboard'))
        plain = {
            name: value if isinstance(value, bool | int | float) else str(value)
            for name, value in flatten(config).items()
        }
        for part in summary.hparams(plain, {}):
            self._writer.file_writer.add_summary(part)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        self._writer.add_image(name, picture, step, dataformats='HWC')

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run of Weights & Biases, in `workdir`/wandb.

    Nothing leaves the machine, unless the variable WANDB_MODE says 'online'; `wandb sync` uploads
    the folder later. Sessions of one workdir belong to one run.
    """

    def __init__(self, workdir: pathlib.Path, config: Mapping[str, Any]):
        import wandb

        self._image = wandb.Image
        where = str(workdir.resolve())
        self._run = wandb.init(
            project='imggen',
            dir=where,
            name=workdir.resolve().name,
            id=hashlib.sha256(where.encode('utf-8', 'surrogateescape')).hexdigest()[:16],
            resume='allow',
            mode=os.environ.get('WANDB_MODE', 'offline'),
            config=dict(config),
            settings=wandb.Settings(console='off', silent=True, save_code=False),
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        self._run.log({name: self._image(picture)}, step=step)

    def close(self) -> None:
        self._run.finish()


BOARDS = {'tensorboard': TensorBoard, 'wandb': WeightsAndBiases}
_PACKAGES = {'tensorboard': 'tensorboardX', 'wandb': 'wandb'}


def check(name: str) -> None:
    """Raises UserError if the extra that one of BOARDS needs is not installed."""
    if importlib.util.find_spec(_PACKAGES[name]) is None:
        raise UserError(f"config.run.{name} needs the extra: pip install 'imggen[{name}]'.")
