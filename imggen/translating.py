"""A trained translation or enlargement, applied to pictures of any size.

A picture within `tile` pixels a side is translated whole, mirrored out to a multiple of 32
so that few sizes are compiled. A larger one is cut into tiles that overlap; in an overlap
one tile fades into the next, and the rim of a tile, where its network sees no neighbours, is
not used at all. Size (times the scale of super-resolution), alpha and names of files stay.
"""

import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from imggen import data, images, keys, tiling
from imggen.data import decode, filters, folder
from imggen.data.picture import Picture, read
from imggen.errors import UserError
from imggen.restoring import Restored

METHODS = ('pix2pix', 'super_resolution')  # Whose `sample` makes a picture of a picture.

_MULTIPLE = 32
# Formats that hold exactly what is written, but for JPEG; others become PNG.
_FORMATS = {
    '.png': {},
    '.webp': {'lossless': True},
    '.tif': {},
    '.tiff': {},
    '.bmp': {},
    '.jpg': {'quality': 95},
    '.jpeg': {'quality': 95},
}


class Translator(NamedTuple):
    """What a run makes of pictures.

    Attributes:
      translate: (key, uint8 [height, width, 1 or 3]) -> uint8 [scale * height, scale *
        width, 1 or 3]; `key` is one key.
      scale: 1, or that of super-resolution.
    """

    translate: Callable[[jax.Array, np.ndarray], np.ndarray]
    scale: int


def make(
    restored: Restored, *, tile: int = 512, overlap: int = 64, filtered: bool = False
) -> Translator:
    """Returns what a run makes of pictures.

    Args:
      restored: a trained method whose `sample` maps batch['input'] to 'output'.
      tile: side of a tile in pixels of the input; pictures up to it are translated whole.
      overlap: pixels that neighbouring tiles share.
      filtered: takes pictures for the run's inputs; else its filter, if its data has one,
        makes the inputs of them.

    Raises:
      UserError: the run translates nothing, or tiles and overlap do not fit.
    """
    tiling.check(tile, overlap)
    name = 'input' if 'input' in restored.batch else 'image'
    trained_size, channels = restored.batch[name].shape[1:3], restored.batch[name].shape[-1]
    if restored.config['method']['name'] == 'super_resolution' and name == 'image':
        trained_size = None
    network = _network(restored)
    prepare = _preparation(restored, channels, filtered)
    one = jax.ShapeDtypeStruct((_MULTIPLE, _MULTIPLE, channels), jnp.float32)
    scale = jax.eval_shape(network, jax.random.key(0), one).shape[0] // _MULTIPLE

    def whole(key, inputs):
        size = inputs.shape[:2]
        if size == trained_size:
            return np.asarray(network(key, inputs))
        rest = [-side % _MULTIPLE for side in size]
        sides = [(extra // 2, extra - extra // 2) for extra in rest]
        output = np.asarray(network(key, np.pad(inputs, (*sides, (0, 0)), mode='symmetric')))
        top, left = (scale * low for low, _ in sides)
        return output[top : top + scale * size[0], left : left + scale * size[1]]

    def translate(key, picture):
        inputs = np.asarray(images.from_uint8(prepare(picture)))
        if max(inputs.shape[:2]) <= tile:
            return images.to_uint8(whole(key, inputs))
        return images.to_uint8(
            tiling.in_tiles(lambda part: whole(key, part), inputs, tile, overlap)
        )

    return Translator(translate, scale)


def translate_files(
    translator: Translator,
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    seed: int = 0,
    done: Callable[[int, int], None] = lambda count, total: None,
) -> tuple[int, list[str]]:
    """Translates a picture, or all pictures under a folder.

    Args:
      translator: from `make`.
      source: a picture or a folder.
      output: a file, or the folder that gets files of the same names, in the same folders.
      seed: of what is drawn; picture i draws from fold_in(key, i).
      done: told after each picture how many there are, and of how many.

    Returns:
      How many were written, and for each that was skipped a sentence that names it.

    Raises:
      UserError: there is no such picture or folder, or the output would overwrite it.
    """
    files = _listed(source, output)
    key, written, skipped = keys.stream(seed, 'sample'), 0, []
    for index, (path, target) in enumerate(files):
        try:
            picture = read(path, '--input')
            pixels = translator.translate(jax.random.fold_in(key, index), picture.rgb)
            _write(target, picture, pixels, translator.scale)
            written += 1
        except UserError as error:
            skipped.append(str(error))
        except OSError as error:
            raise UserError(f'{target} cannot be written ({error.strerror or error}).') from error
        done(index + 1, len(files))
    return written, skipped


def validation(
    restored: Restored, *, num_images: int, seed: int = 0, batch_size: int = 8
) -> Iterator[Mapping[str, np.ndarray]]:
    """Yields what a run makes of the held-out pictures of its data set, in their order.

    Args:
      restored: a trained translation.
      num_images: how many at most.
      seed: of what is drawn.
      batch_size: pictures at a time.

    Yields:
      The sets of the method's `sample`, among them 'output' and 'target', float32 [n,
      height, width, channels] on the host, whole levels of 8 bits.

    Raises:
      UserError: the run translates nothing, or its data has no held-out pictures.
    """
    _network(restored)
    batches = held_out(restored.config['data'])
    count = min(num_images, *map(len, batches.values()))
    key, sample = keys.stream(seed, 'measure'), jax.jit(restored.method.sample)
    for first in range(0, count, batch_size):
        rows = np.minimum(np.arange(first, first + batch_size), count - 1)
        batch = {name: images.from_uint8(pixels[rows]) for name, pixels in batches.items()}
        image_keys = keys.per_image(key, batch_size, first=first)
        sets = sample(image_keys, restored.state, restored.method.frozen, batch)
        if 'target' not in sets:
            sets |= {'target': batch['image']}
        yield {
            name: np.asarray(images.from_uint8(images.to_uint8(pixels[: count - first])))
            for name, pixels in sets.items()
        }


def held_out(config: Mapping) -> dict[str, np.ndarray]:
    """Returns the test split of a `data` section as uint8 batches: pairs, or single pictures."""
    if config['name'] == 'pairs':
        pairs = data.paired_examples(config, split='test')
        return {side: pairs[side] for side in ('input', 'target')}
    pictures, _ = data.examples(config, split='test')
    if not isinstance(pictures, np.ndarray):
        pictures = np.concatenate(list(pictures))
    return {'image': pictures}


def _network(restored: Restored) -> Callable[[jax.Array, np.ndarray], jax.Array]:
    """Returns (one key, float32 [height, width, channels]) -> output, compiled for each size."""
    method = restored.method

    @jax.jit
    def apply(key, state, frozen, inputs):
        sets = method.sample(key[None], state, frozen, {'input': inputs[None]})
        return sets['output'][0]

    name = restored.config['method']['name']
    if name not in METHODS:
        raise UserError(f'the method {name!r} translates no pictures: name another --workdir.')
    return lambda key, inputs: apply(key, restored.state, method.frozen, inputs)


def _preparation(restored: Restored, channels: int, filtered: bool) -> Callable:
    """Returns uint8 picture -> uint8 input with the channels that the run was trained with."""
    config = restored.config['data']
    has_filter = config['name'] == 'pairs' and config.get('task', 'filter') == 'filter'
    if has_filter and not filtered and config.get('direction', 'AtoB') == 'AtoB':
        chosen = filters.make(config.get('filter', 'identity'), config.get('filter_options') or {})
        before = config.get('channels', 3)
        return lambda picture: chosen(decode.to_channels(picture, before))
    if channels not in (1, 3):
        raise UserError(
            f'this run takes {channels} layers, which no picture holds: leave --filtered out.'
        )
    return lambda picture: decode.to_channels(picture, channels)


def _listed(source: pathlib.Path, output: pathlib.Path) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Returns (file, where its translation goes)."""
    if source.is_dir():
        found = folder.scan(source).files
        if not found:
            raise UserError(f'{source} holds no pictures; set --input to a folder of some.')
        files = [(source / file, output / _name(file)) for file in found]
    elif source.is_file():
        files = [(source, output if output.suffix else output / _name(source.name))]
    else:
        raise UserError(f'{source} is no picture and no folder; set --input to one.')
    if any(path.resolve() == target.resolve() for path, target in files):
        raise UserError(f'{output} would overwrite what is in --input: name another --output.')
    return files


def _name(file: str) -> str:
    return file if pathlib.PurePath(file).suffix.lower() in _FORMATS else f'{file}.png'


def _write(path: pathlib.Path, picture: Picture, pixels: np.ndarray, scale: int) -> None:
    """Writes pixels with the picture's alpha; a reader never sees half a file."""
    if scale > 1 and decode.is_grey(picture.rgb):
        pixels = decode.to_channels(pixels, 1)
    if picture.alpha is not None:
        alpha = decode.resize(picture.alpha[..., None], pixels.shape[:2], fit='stretch')
        pixels = np.concatenate([decode.to_channels(pixels, 3), alpha], axis=-1)
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise UserError(f'{path} has no suffix of {", ".join(_FORMATS)}: name another --output.')
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.partial')
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.save(partial, format=Image.registered_extensions()[suffix], **_FORMATS[suffix])
    partial.replace(path)
