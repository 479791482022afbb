"""A trained run as an object: `imggen.load(workdir)`."""

import dataclasses
import functools
import os
from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from imggen import images, keys
from imggen.errors import UserError
from imggen.inference import load as loading
from imggen.inference import sampling
from imggen.inference import translate as translation
from imggen.train_state import TrainState
from imggen.workdir.restore import Restored


class Run:
    """A trained method, with its state at one checkpoint.

    Args:
      restored: what a workdir holds.
    """

    def __init__(self, restored: Restored):
        self._restored = restored

    def __repr__(self) -> str:
        return f'<imggen run of {self.config["method"]["name"]} at step {self.step}>'

    @property
    def config(self) -> Mapping[str, Any]:
        """The whole config, as nested dicts."""
        return self._restored.config

    @property
    def step(self) -> int:
        """The step of the checkpoint."""
        return self._restored.step

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in the order of their numbers; () without names."""
        return self._restored.class_names

    @property
    def latent_size(self) -> int | None:
        """Length of a latent; None if the method has none."""
        return self._restored.method.latent_size

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of each network by its name, {'generator': ..., 'discriminator': ...}.

        'ema' are the averaged parameters, if the method averages. Those of a part of the state have
        its name before theirs, such as 'flow.ema'. Methods without networks, such as evolution,
        have none.
        """
        return dict(_params(self._restored.state))

    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        label: int | str | np.ndarray | None = None,
        latent: np.ndarray | None = None,
    ) -> np.ndarray:
        """Generates images, the same as the command `sample` makes.

        Args:
          n: number of images.
          seed: image i depends on the seed and on i alone.
          label: the class of all images, by number or name, or int32 [n], the number of each; by
            default each draws its own.
          latent: float32 [n, latent_size], one latent for each image; drawn by default.

        Returns:
          uint8 [n, height, width, channels].

        Raises:
          UserError: the method does not generate, or has no such classes or no such latents.
        """
        key, method = keys.stream(seed, 'sample'), self._restored.method
        sampling.check(self._restored)
        if n < 1:
            raise UserError(f'n={n} asks for no image: ask for 1 or more.')
        if np.ndim(label) or isinstance(label, np.ndarray):
            label = np.asarray(label)
            if label.shape != (n,) or label.dtype.kind not in 'iu':
                raise UserError(
                    f'labels of shape {label.shape} and type {label.dtype} for {n} images: give '
                    'the number of a class for each.'
                )
        if latent is None:
            chunks = sampling.generate(key, self._restored, n, label=label)
            return np.concatenate([images.to_uint8(chunk[method.output]) for chunk in chunks])
        if np.shape(latent) != (n, self.latent_size):
            raise UserError(
                f'latents of shape {np.shape(latent)} do not make {n} images: this run takes '
                f'{"none" if self.latent_size is None else f"({n}, {self.latent_size})"}.'
            )
        given = jnp.asarray(latent, jnp.float32)
        return images.to_uint8(sampling.from_latents(key, self._restored, given, label=label))

    def translate(self, image: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Translates or enlarges one image, in tiles if it is large.

        Args:
          image: uint8 [height, width, 1 or 3], of any size. The filter that made the inputs of
            the run is applied first.
          seed: of what the method draws, such as dropout.

        Returns:
          uint8 [scale * height, scale * width, channels].

        Raises:
          UserError: the method does not translate images.
        """
        return self._translator.translate(keys.stream(seed, 'sample'), np.asarray(image))

    @functools.cached_property
    def _translator(self) -> translation.Translator:
        return translation.make(self._restored)


def _params(state: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Yields the name and the parameters of each network of a state."""
    for name, value in vars(state).items():
        if isinstance(value, TrainState):
            yield f'{prefix}{name}', value.params
        elif name in ('ema', 'early') and 'params' in (value or {}):
            yield f'{prefix}{name}', value['params']
        elif dataclasses.is_dataclass(value):
            yield from _params(value, f'{prefix}{name}.')


def load(workdir: str | os.PathLike, *, which: str | int = 'newest') -> Run:
    """Loads a trained run.

    Args:
      workdir: the folder of the run or of an exported or a shipped model, such as 'drawings'.
      which: the checkpoint: 'newest', 'best' or the number of a step.

    Raises:
      UserError: there is no run, no checkpoint, or no checkpoint of this step.
    """
    return Run(loading.load(workdir, which=which))
