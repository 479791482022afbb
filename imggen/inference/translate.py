"""Applies a trained translation or enlargement to images of any size.

An image of up to `tile` x `tile` pixels is translated whole, padded by reflection to a multiple
of 32 so that few sizes are compiled. A larger image is cut into overlapping tiles. In an overlap
one tile fades into the next, and the rim of a tile, where its network sees no neighbors, is not
used at all.

A network that normalizes by the statistics of the image sees all of it at once: tiles, each
normalized by its own statistics, differ in tone from the whole. For such a network `tile` is
2048 by default, for which the published U-Net takes about 1 GiB; otherwise it is 512.

A network that predicts colors alone, and has learned from whole pictures, sees every picture at the
size of the training. Its colors are joined with the lightness at full size (recolor.py).
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import data, images, keys
from imggen.data import bit_depth, decode, tiling
from imggen.data.pairs import pairings
from imggen.errors import UserError
from imggen.inference import recolor
from imggen.workdir.restore import Restored

_MULTIPLE = 32
_TILE, _LARGEST_WHOLE = 512, 2048


class Translator(NamedTuple):
    """A trained translation, applied to single images.

    Attributes:
      translate: (key, uint8 or uint16 [height, width, 1 or 3]) -> the same type [scale * height,
        scale * width, 1 or 3]; `key` is one key.
      scale: 1, or the scale of super-resolution.
      tile: side of a tile; images of more than tile x tile pixels are cut.
      sees_whole_image: as in `Translation`: tiles of one image may then differ in tone.
      recolors: whether colors are predicted at the size of the training, so that no image is cut.
    """

    translate: Callable[[jax.Array, np.ndarray], np.ndarray]
    scale: int
    tile: int
    sees_whole_image: bool
    recolors: bool

    def cuts(self, image: np.ndarray) -> bool:
        """Returns whether an image [height, width, channels] is cut into tiles."""
        return not self.recolors and image.shape[0] * image.shape[1] > self.tile**2


def make(
    restored: Restored, *, tile: int | None = None, overlap: int = 64, filtered: bool = False
) -> Translator:
    """Builds the translator of a run.

    Args:
      restored: a trained method that translates.
      tile: side of a tile in pixels of the input; images of up to tile x tile pixels are
        translated whole. By default 512, or 2048 if the method sees the whole image. A translator
        that recolors cuts nothing.
      overlap: pixels that neighboring tiles share.
      filtered: whether images are the run's inputs already. If not, the filter that made the
        run's inputs, if there is one, is applied first.

    Raises:
      UserError: the run does not translate images, or tile and overlap do not fit.
    """
    network = _network(restored)
    if data.starts_from_noise(restored.config['data']):
        raise UserError(
            'this run makes images from noise and takes no --input: leave it out and give --num, '
            'or give --validation.'
        )
    scale, sees_whole_image, keeps_lightness = restored.method.translation
    # Whole pictures were resized for the training; tiles have the size of their picture.
    recolors = keeps_lightness and restored.config['data'].get('fit') != 'tiles'
    if tile is None:
        tile = _LARGEST_WHOLE if sees_whole_image else _TILE
    tiling.check(tile, overlap)
    name = 'input' if 'input' in restored.batch else 'image'
    trained_size, channels = restored.batch[name].shape[1:3], restored.batch[name].shape[-1]
    if scale > 1 and name == 'image':  # The batch holds the targets.
        trained_size = None
    prepare = _preparation(restored, channels, filtered)

    def whole(key, inputs):
        if inputs.shape[:2] == trained_size:
            return np.asarray(network(key, inputs))
        return _padded(lambda padded: np.asarray(network(key, padded)), inputs, scale)

    def translate(key, image):
        inputs, to_levels = prepare(image), images.to_uint8
        if image.dtype == np.uint16:
            to_levels = images.to_uint16
        from_levels = images.from_uint16 if inputs.dtype == np.uint16 else images.from_uint8
        inputs = np.asarray(from_levels(inputs))
        if recolors:
            return to_levels(recolor.colored(functools.partial(whole, key), inputs, trained_size))
        if not translator.cuts(inputs):
            return to_levels(whole(key, inputs))

        def one_tile(index, part):
            # Under one key the pattern of dropout would repeat in every tile.
            return whole(jax.random.fold_in(key, index), part)

        return to_levels(tiling.in_tiles(one_tile, inputs, tile, overlap))

    translator = Translator(translate, scale, tile, sees_whole_image, recolors)
    return translator


def from_noise(restored: Restored, *, num_images: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Returns what a run that starts from noise makes of new noise, one image at a time.

    Args:
      restored: trained on config.data.task='noise'.
      num_images: number of images.
      seed: image i depends on the seed and on i.

    Returns:
      An iterator over uint8 [height, width, channels], of the size that the run was trained
      with.

    Raises:
      UserError: the run needs images to start from.
    """
    if not data.starts_from_noise(restored.config['data']):
        raise UserError('this run needs images: give --input or --validation.')
    network, key = _network(restored), keys.stream(seed, 'sample')
    blank = jnp.zeros((1, *restored.batch['input'].shape[1:]))

    def make_one(index):
        noise_key, own_key = jax.random.split(jax.random.fold_in(key, index))
        noise = pairings.noise()(noise_key, blank)['input'][0]
        return images.to_uint8(network(own_key, noise))

    return map(make_one, range(num_images))


def validation(
    restored: Restored,
    *,
    num_images: int,
    spread: bool = False,
    seed: int = 0,
    batch_size: int = 8,
    held_out: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Mapping[str, np.ndarray]]:
    """Translates the held-out images of a run's data set, in their order.

    Args:
      restored: a trained method that translates.
      num_images: number of images, at most.
      spread: whether they are spread over the whole set, at the places of `spread_evenly`,
        instead of the first: neighbors may be tiles of one photograph.
      seed: of what the method draws, such as dropout.
      batch_size: images at a time.
      held_out: what `data.held_out` returns, if it was read already.

    Yields:
      The sets of the method's `sample` and 'target', float32 [n, height, width, channels] in
      [-1, 1] on the host, rounded to 8 bits as a file would hold them.

    Raises:
      UserError: the run does not translate images, or its data set has no held-out images.
    """
    check(restored)
    batches = data.held_out(restored.config['data']) if held_out is None else held_out
    total = min(map(len, batches.values()))
    count = min(num_images, total)
    places = spread_evenly(count, total) if spread else np.arange(count)
    key, sample = keys.stream(seed, 'measure'), jax.jit(restored.method.sample)
    for first in range(0, count, batch_size):
        rows = places[np.minimum(np.arange(first, first + batch_size), count - 1)]
        batch = {name: images.from_uint8(pixels[rows]) for name, pixels in batches.items()}
        image_keys = keys.per_image(key, batch_size, first=first)
        sets = sample(image_keys, restored.state, restored.method.frozen, batch)
        if 'target' not in sets:
            sets |= {'target': batch['image']}
        yield {
            name: np.asarray(images.from_uint8(images.to_uint8(pixels[: count - first])))
            for name, pixels in sets.items()
        }


def spread_evenly(count: int, total: int) -> np.ndarray:
    """Returns `count` of `total` places in order, int [n], among them the first and the last."""
    return np.linspace(0, total - 1, min(count, total)).round().astype(int)


def check(restored: Restored) -> None:
    """Raises UserError if the method of a run does not translate images."""
    if restored.method.translation is None:
        name = restored.config['method']['name']
        raise UserError(f'the method {name!r} translates no images: name another --workdir.')


def _network(restored: Restored) -> Callable[[jax.Array, np.ndarray], jax.Array]:
    """Returns (one key, float32 [height, width, channels]) -> output, compiled for each size."""
    check(restored)
    method = restored.method

    @jax.jit
    def apply(key, state, frozen, inputs):
        return method.sample(key[None], state, frozen, {'input': inputs[None]})[method.output][0]

    return lambda key, inputs: apply(key, restored.state, method.frozen, inputs)


def _padded(network, inputs: np.ndarray, scale: int) -> np.ndarray:
    """Applies a network to inputs padded to a multiple of 32, and crops what comes out."""
    height, width = inputs.shape[:2]
    (top, bottom), (left, right) = (
        (extra // 2, extra - extra // 2) for extra in (-height % _MULTIPLE, -width % _MULTIPLE)
    )
    padded = np.pad(inputs, ((top, bottom), (left, right), (0, 0)), mode='symmetric')
    rows = slice(scale * top, scale * (top + height))
    columns = slice(scale * left, scale * (left + width))
    return network(padded)[rows, columns]


def _preparation(restored: Restored, channels: int, filtered: bool) -> Callable:
    """Returns image -> input with the channels that the run was trained with.

    Both are uint8 or uint16; filters work on 8 bits.
    """
    chosen = None if filtered else data.input_filter(restored.config['data'])
    if chosen is not None:
        return lambda image: chosen(bit_depth.to_8_bits(image))
    if channels not in (1, 3):
        raise UserError(
            f'this run takes {channels} layers, which no image file holds: leave --filtered out.'
        )
    return lambda image: decode.to_channels(image, channels)
