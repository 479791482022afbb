"""How one generated picture was made, which its PNG file carries as text.

The picture is image `index` of `seed`, as `sampling.generate` numbers them, with what was asked
for. A latent that no seed draws, such as one between two others or one that was found for a
photograph, stands in the recipe itself.
"""

import base64
import binascii
import functools
import io
import json
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from PIL import Image, PngImagePlugin

from imggen import images, keys
from imggen.data import decode
from imggen.errors import UserError
from imggen.inference import sampling
from imggen.workdir.restore import Restored

_TEXT = 'imggen'  # The keyword of the text in a PNG file.
_LARGEST_SEED = 2**63
_LARGEST = 1e6  # Of other numbers.


class Recipe(NamedTuple):
    """How one picture was made.

    Attributes:
      seed, index: image `index` of the samples of `seed`.
      label, truncation, guidance: as in `sampling.generate`.
      latent: float32 [latent_size], in place of the one that is drawn.
    """

    seed: int
    index: int = 0
    label: int | None = None
    truncation: float | None = None
    guidance: float | None = None
    latent: np.ndarray | None = None


def make(restored: Restored, recipes: Sequence[Recipe]) -> np.ndarray:
    """Makes the picture of each recipe anew: uint8 [n, height, width, channels].

    Raises:
      UserError: the method does not generate, or has no such class, latents or guidance.
    """
    sampling.check(restored)
    made = []
    for recipe in recipes:
        asked = {name: getattr(recipe, name) for name in ('label', 'truncation', 'guidance')}
        if recipe.latent is not None:
            asked |= {'truncation': None, 'latent': latent(restored, recipe)[None]}
        made.append(sampling.from_keys(restored, _key(recipe.seed, recipe.index), **asked))
    return images.to_uint8(np.concatenate(made))


def latent(restored: Restored, recipe: Recipe) -> jnp.ndarray:
    """Returns the latent of a recipe, float32 [latent_size].

    Raises:
      UserError: the method has no latents, or latents of another length.
    """
    if recipe.latent is None:
        drawn = sampling.draw_latents(
            restored, _key(recipe.seed, recipe.index), truncation=recipe.truncation
        )
        return drawn[0]
    size = restored.method.latent_size
    if recipe.latent.shape != (size,):
        raise UserError(
            f'the picture has a latent of {len(recipe.latent)} numbers, and the run takes '
            f'{"none" if size is None else size}: name the run that made it.'
        )
    return jnp.asarray(recipe.latent)


def to_json(recipe: Recipe) -> dict[str, Any]:
    """Returns a recipe without what it does not ask for; the latent is base64 of float32."""
    given = {name: value for name, value in recipe._asdict().items() if value is not None}
    if recipe.latent is not None:
        given['latent'] = base64.b64encode(recipe.latent.astype('<f4').tobytes()).decode()
    return given


def from_json(value: Any) -> Recipe:
    """Returns the recipe of `to_json`; checks it, since it comes from outside.

    Raises:
      UserError: it is no recipe.
    """
    try:
        return _parsed(value)
    except (TypeError, ValueError, KeyError, OverflowError, binascii.Error):
        raise UserError('this is not the recipe of a picture of imggen.') from None


def write_png(picture: np.ndarray, recipe: Recipe | None) -> bytes:
    """Returns a picture, uint8 [height, width, 1, 3 or 4], as a PNG file with its recipe."""
    text = PngImagePlugin.PngInfo()
    if recipe is not None:
        text.add_text(_TEXT, json.dumps(to_json(recipe)))
    buffer = io.BytesIO()
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    Image.fromarray(picture).save(buffer, 'PNG', pnginfo=text, compress_level=1)
    return buffer.getvalue()


def read_png(path: pathlib.Path) -> Recipe:
    """Reads the recipe of a picture that `write_png` wrote.

    Raises:
      UserError: the file is no picture, or holds no recipe.
    """
    with decode.opened(path) as picture:
        text = picture.info.get(_TEXT)
    try:
        return from_json(json.loads(text))
    except (TypeError, ValueError, RecursionError, UserError):
        raise UserError(
            f'{path} does not say how it was made: name a picture that experiments.explore saved.'
        ) from None


@functools.lru_cache(maxsize=256)  # To derive a key takes as long as to make a small picture.
def _key(seed: int, index: int):
    return keys.per_image(keys.stream(seed, 'sample'), 1, first=index)


def _parsed(value: Any) -> Recipe:
    if not isinstance(value, dict):
        raise TypeError
    unknown = value.keys() - set(Recipe._fields)
    whole = [value[name] for name in ('seed', 'index', 'label') if name in value]
    real = [value[name] for name in ('truncation', 'guidance') if name in value]
    if (
        unknown
        or any(type(number) is not int or not 0 <= number < _LARGEST_SEED for number in whole)
        or any(type(number) not in (int, float) or not abs(number) < _LARGEST for number in real)
        or value.get('index', 0) >= 2**31
    ):
        raise ValueError
    given = {**value}
    if 'latent' in value:
        given['latent'] = np.frombuffer(base64.b64decode(value['latent'], validate=True), '<f4')
        if not (np.abs(given['latent']) < _LARGEST).all():
            raise ValueError
    return Recipe(**given)
