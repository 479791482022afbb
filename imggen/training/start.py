"""Training from Python: `imggen.train(config, workdir)`."""

import os
from collections.abc import Mapping
from typing import Any

from imggen import options
from imggen.inference import run
from imggen.training.train import train as run_training


def train(config: Mapping[str, Any], workdir: str | os.PathLike) -> run.Run:
    """Trains what a config describes, or continues it, and loads the result.

    Args:
      config: from `imggen.load_config`, or nested dicts with `seed`, `method`, `data` and `run`.
      workdir: the folder of the run; made if it does not exist.

    Raises:
      UserError: bad input, a workdir of another config, a full disk, NaN.
    """
    config = options.resolve(config) if hasattr(config, 'to_dict') else config
    run_training(config, workdir, command='imggen.train')
    return run.load(workdir)
