"""A trained translation or enlargement, applied to pictures of any size.

A picture of up to `tile` x `tile` pixels is translated whole, mirrored out to a multiple of
32 so that few sizes are compiled. A larger one is cut into tiles that overlap; in an overlap
one tile fades into the next, and the rim of a tile, where its network sees no neighbors, is
not used at all.

A network that normalizes by the statistics of the picture sees all of it at once: its tiles,
normalized each on its own, differ in tone from the whole. There `tile` is 2048 by default,
for which the published U-Net takes about 1 GiB; else it is 512.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import data, images, keys
from imggen.data import decode
from imggen.data.pairs import filters, pairings
from imggen.errors import UserError
from imggen.inference import tiling
from imggen.methods.translation import pix2pix
from imggen.networks import unet
from imggen.workdir.restore import Restored

METHODS = ('pix2pix', 'super_resolution')  # Whose `sample` makes a picture of a picture.

_MULTIPLE = 32
_TILE, _LARGEST_WHOLE = 512, 2048


class Translator(NamedTuple):
    """What a run makes of pictures.

    Attributes:
      translate: (key, uint8 [height, width, 1 or 3]) -> uint8 [scale * height, scale *
        width, 1 or 3]; `key` is one key.
      scale: 1, or that of super-resolution.
      tile: side of a tile; pictures of more than tile x tile pixels are cut.
      sees_all: whether what comes out depends on the statistics of all that goes in, so
        that tiles may differ in tone.
    """

    translate: Callable[[jax.Array, np.ndarray], np.ndarray]
    scale: int
    tile: int
    sees_all: bool

    def cuts(self, picture: np.ndarray) -> bool:
        """Whether a picture [height, width, channels] is cut into tiles."""
        return _is_cut(picture, self.tile)


def make(
    restored: Restored, *, tile: int | None = None, overlap: int = 64, filtered: bool = False
) -> Translator:
    """Returns what a run makes of pictures.

    Args:
      restored: a trained method whose `sample` maps batch['input'] to 'output'.
      tile: side of a tile in pixels of the input; pictures of up to tile x tile pixels are
        translated whole. By default 512, and 2048 where the method sees all of a picture.
      overlap: pixels that neighboring tiles share.
      filtered: takes pictures for the run's inputs; else its filter, if its data has one,
        makes the inputs of them.

    Raises:
      UserError: the run translates nothing, or tiles and overlap do not fit.
    """
    network = _network(restored)
    if _is_of_noise(restored):
        raise UserError(
            'this run makes pictures of noise and takes no --input: leave it out and give --num, '
            'or give --validation.'
        )
    sees_all = _sees_all(restored.config['method'])
    if tile is None:
        tile = _LARGEST_WHOLE if sees_all else _TILE
    tiling.check(tile, overlap)
    name = 'input' if 'input' in restored.batch else 'image'
    trained_size, channels = restored.batch[name].shape[1:3], restored.batch[name].shape[-1]
    if restored.config['method']['name'] == 'super_resolution' and name == 'image':
        trained_size = None
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
        if not _is_cut(inputs, tile):
            return images.to_uint8(whole(key, inputs))

        def one_tile(index, part):
            # Under one key the pattern of dropout would come again in every tile.
            return whole(jax.random.fold_in(key, index), part)

        return images.to_uint8(tiling.in_tiles(one_tile, inputs, tile, overlap))

    return Translator(translate, scale, tile, sees_all)


def of_noise(restored: Restored, *, num_images: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Returns what a run that starts from noise makes of new noise, one picture at a time.

    Args:
      restored: trained on config.data.task='noise'.
      num_images: how many.
      seed: picture i depends on this and i.

    Returns:
      An iterator over uint8 [height, width, channels], of the size that the run was trained
      with.

    Raises:
      UserError: the run needs pictures to start from.
    """
    if not _is_of_noise(restored):
        raise UserError('this run needs pictures: give one of --input, --validation and --film.')
    network, key = _network(restored), keys.stream(seed, 'sample')
    blank = jnp.zeros((1, *restored.batch['input'].shape[1:]))

    def make_one(index):
        noise_key, own_key = jax.random.split(jax.random.fold_in(key, index))
        noise = pairings.noise()(noise_key, blank)['input'][0]
        return images.to_uint8(network(own_key, noise))

    return map(make_one, range(num_images))


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
    batches = data.held_out(restored.config['data'])
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


def _is_of_noise(restored: Restored) -> bool:
    return restored.config['data'].get('task') == 'noise'


def _sees_all(section: Mapping) -> bool:
    """Whether a method's network normalizes by the statistics of the picture at hand."""
    if section['name'] != 'pix2pix':
        return False
    norm = section.get('generator', {}).get('norm', unet.UNet.norm)
    statistics = section.get('test_statistics', pix2pix.Config.test_statistics)
    return norm == 'instance' or (norm == 'batch' and statistics == 'image')


def _is_cut(picture: np.ndarray, tile: int) -> bool:
    return picture.shape[0] * picture.shape[1] > tile**2


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
