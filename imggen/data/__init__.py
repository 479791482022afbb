"""Data: from a config section to a source of batches.

A section names a source, a batch size and an augmentation; what else it holds are
the keyword arguments of the source's loader:

    dict(name='fashion_mnist', batch_size=64, augment=dict(flip=True), class_names=('Bag',))
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from imggen.augmentation import dataset as augment
from imggen.data import pipeline
from imggen.data.dataset import Dataset
from imggen.data.loaders import digits, fashion_mnist, fixed, folder, idx, stacked, style, tfds
from imggen.data.pairs import pairs
from imggen.data.source import Source
from imggen.errors import UserError
from imggen.options import check_keywords, choose

SOURCES = {
    'none': fixed.nothing,
    'fixed': fixed.load,
    'digits': digits.load,
    'idx': idx.load,
    'fashion_mnist': fashion_mnist.load,
    'folder': folder.load,
    'pairs': pairs.load,
    'stacked': stacked.load,
    'style': style.load,
    'tfds': tfds.load,
}

_CHUNK = 1024


def make(config: Mapping[str, Any], *, seed: int, process: tuple[int, int] = (0, 1)) -> Source:
    """Makes the source that a config's `data` section describes.

    Args:
      config: `name`, one of SOURCES; `batch_size`, over all devices and processes;
        `augment`, keyword arguments of `augment.augment`; `memory_budget_mib`, up to
        which a set lies on the device (2048); the rest are the loader's options.
        `none` and `fixed` take neither batch size nor augmentation.
      seed: of the run.
      process: (index, count) of this process; see `pipeline.shuffled`.

    Raises:
      UserError: for an unknown name or option, and for bad files.
    """
    options = dict(config)
    batch_size = options.pop('batch_size', None)
    augmentation = dict(options.pop('augment', None) or {})
    memory_budget_mib = options.pop('memory_budget_mib', 2048)
    check_keywords('config.data.augment', augmentation, augment.augment)
    dataset = _load(options)
    if dataset.fixed:
        if batch_size or augmentation:
            raise UserError(
                f'config.data.name={config["name"]!r} gives the same batch at every step; '
                'remove config.data.batch_size and config.data.augment.'
            )
        return pipeline.fixed(dataset)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise UserError(f'config.data.batch_size is {batch_size!r}; set it to 1 or more.')
    return pipeline.shuffled(
        dataset,
        seed=seed,
        batch_size=batch_size,
        augmentation=augmentation,
        memory_budget_mib=memory_budget_mib,
        process=process,
    )


def examples(
    config: Mapping[str, Any], *, split: str
) -> tuple[np.ndarray | Iterator[np.ndarray], np.ndarray | None]:
    """Returns the pictures of a source as they are, for the measures to compare with.

    Args:
      config: as for `make`; batch size and augmentation are passed over.
      split: 'train' or 'test', whatever the config says.

    Returns:
      The images, uint8 [n, height, width, channels], and the labels, int32 [n] or
      None. A set above the memory budget comes as an iterator over chunks of the
      images, without labels. Of pairs they are the targets.
    """
    dataset, memory_budget_mib = _split(config, split)
    if dataset.pair is not None:
        return pairs.examples(dataset)['target'], None
    if dataset.num_bytes > memory_budget_mib * 2**20:
        return _chunks(dataset), None
    everything = dataset.read(slice(None))
    return everything['image'], everything.get('label')


def paired_examples(config: Mapping[str, Any], *, split: str) -> dict[str, np.ndarray]:
    """Returns the pairs of a source as they are, for the measures to compare with.

    Args:
      config: as for `make`; batch size and augmentation are passed over.
      split: 'train' or 'test', whatever the config says.

    Returns:
      {'input': uint8 [n, height, width, channels], 'target': ...}, in the order of
      the files' names, and of pairs of subsets 'label': int32 [n].
    """
    dataset, _ = _split(config, split)
    if dataset.pair is None:
        raise UserError(f'config.data.name={config["name"]!r} has no pairs; measure a run on some.')
    return pairs.examples(dataset)


def held_out(config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns the test split of a `data` section as uint8 batches: pairs, or single pictures."""
    if config['name'] == 'pairs':
        both = paired_examples(config, split='test')
        return {side: both[side] for side in ('input', 'target')}
    pictures, _ = examples(config, split='test')
    if not isinstance(pictures, np.ndarray):
        pictures = np.concatenate(list(pictures))
    return {'image': pictures}


def files(config: Mapping[str, Any], *, split: str) -> tuple[str, ...]:
    """Returns the file of each of `examples`, relative to the folder; () where there are none."""
    dataset, _ = _split(config, split)
    return dataset.files


def _split(config: Mapping[str, Any], split: str) -> tuple[Dataset, float]:
    """Returns a split of a source's data set, and the memory budget in MiB."""
    options = dict(config)
    options.pop('batch_size', None)
    options.pop('augment', None)
    memory_budget_mib = options.pop('memory_budget_mib', 2048)
    if options.get('name') in ('none', 'fixed', 'style'):
        raise UserError(
            f'config.data.name={options["name"]!r} has no splits to compare with; '
            'measure a run that reads a data set.'
        )
    return _load({**options, 'split': split}), memory_budget_mib


def _load(options: Mapping[str, Any]) -> Dataset:
    options = dict(options)
    loader = choose(SOURCES, options.pop('name', None), where='config.data.name')
    check_keywords('config.data', options, loader)
    return loader(**options)


def _chunks(dataset: Dataset) -> Iterator[np.ndarray]:
    for first in range(0, dataset.shape[0], _CHUNK):
        yield dataset.read(slice(first, first + _CHUNK))['image']
