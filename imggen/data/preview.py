"""Shows the images that a config feeds to its networks, before anything is trained."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from imggen import data, images, keys, options
from imggen.augmentation import adaptive
from imggen.augmentation.dataset import augment
from imggen.errors import UserError


class Preview(NamedTuple):
    """A sheet, uint8 [height, width, channels], and one line that describes the data set."""

    sheet: np.ndarray
    description: str


def preview(config: Mapping[str, Any], *, num_images: int = 8, versions: int = 7) -> Preview:
    """Shows images and their augmented versions.

    Each row holds an image and then versions of it, augmented by config.data.augment. If the
    discriminator's images are augmented too, by config.method.augment, a second row shows that
    augmentation, at full strength if its strength adapts.

    Of pairs, the first ones that a run reads are shown as the networks see them, augmented: four
    times input and target in each row.

    Raises:
      UserError: the config reads no images.
    """
    source = data.make({**config['data'], 'augment': {}}, seed=config['seed'])
    batch = source.batch(0)
    if 'target' in batch:
        return Preview(_pairs(config, num_images), source.description)
    if 'image' not in batch:
        raise UserError('The config reads no images: there is nothing to preview.')
    shown = batch['image'][:num_images]
    key = keys.stream(config['seed'], 'data')

    def row(change):
        change = jax.jit(change)
        changed = [change(jax.random.fold_in(key, index), shown) for index in range(versions)]
        return images.to_uint8(np.stack([shown, *changed], axis=1))

    moves = dict(config['data'].get('augment') or {})
    rows = [row(lambda key, x: augment(key, x, **moves))]
    section = dict(config['method'].get('augment') or {})
    seen = options.build(adaptive.Augmentation, section, where='config.method.augment')
    if section and seen.kinds:
        strength = 1.0 if seen.target else seen.probability

        def change(key, x):
            return adaptive.augment(keys.per_image(key, len(x)), x, strength, seen.kinds)

        rows.append(row(change))
    sheet = np.stack(rows, axis=1).reshape(-1, *rows[0].shape[2:])
    return Preview(images.grid(sheet, columns=versions + 1), source.description)


def _pairs(config: Mapping[str, Any], count: int) -> np.ndarray:
    source = data.make(config['data'], seed=config['seed'])
    batches = [source.batch(0)]
    while sum(len(batch['target']) for batch in batches) < count:
        batches.append(source.batch(len(batches)))
    inputs, targets = (
        images.visible(images.to_uint8(np.concatenate([batch[side] for batch in batches])[:count]))
        for side in ('input', 'target')
    )
    scale = targets.shape[1] // inputs.shape[1]  # Of super-resolution; otherwise 1.
    pairs = np.broadcast_arrays(inputs.repeat(scale, 1).repeat(scale, 2), targets)
    return images.grid(np.stack(pairs, axis=1).reshape(-1, *pairs[0].shape[1:]), columns=8)
