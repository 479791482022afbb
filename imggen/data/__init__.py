"""Data: from a config section to a source of batches.

A section names a source, a batch size and an augmentation. Its other entries are the keyword
arguments of the source's loader:

    dict(name='fashion_mnist', batch_size=64, augment=dict(flip=True), class_names=('Bag',))

`make` turns it into batches for training. `examples`, `paired_examples` and `held_out` return
the images themselves, for evaluation. `has_held_out`, `class_names`, `input_filter` and
`starts_from_noise` say what a section describes, so that callers need not read it.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from imggen import images
from imggen.augmentation import dataset as augment
from imggen.data import decode, pipeline
from imggen.data.dataset import Dataset
from imggen.data.loaders import digits, fashion_mnist, fixed, folder, idx, stacked, style, tfds
from imggen.data.pairs import filters, pairs
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

_NOT_OF_LOADERS = ('name', 'batch_size', 'augment', 'memory_budget_mib')
_MEMORY_BUDGET_MIB = 2048
_CHUNK = 1024


def make(config: Mapping[str, Any], *, seed: int, process: tuple[int, int] = (0, 1)) -> Source:
    """Makes the source that a config's `data` section describes.

    Args:
      config: `name`, one of SOURCES; `batch_size`, over all devices and processes;
        `augment`, keyword arguments of `augment.augment`; `memory_budget_mib` (2048), the
        largest set in MiB that is kept on the device; and the options of the loader. `none`,
        `fixed` and `style` take neither batch size nor augmentation.
      seed: the seed of the run.
      process: (index, count) of this process; see `pipeline.shuffled`.

    Raises:
      UserError: a name or an option is unknown, or a file cannot be used.
    """
    batch_size = config.get('batch_size')
    augmentation = dict(config.get('augment') or {})
    check_keywords('config.data.augment', augmentation, augment.augment)
    dataset = _load(config)
    if dataset.fixed:
        if batch_size or augmentation:
            raise UserError(
                f'config.data.name={config["name"]!r} gives the same batch at every step; '
                'remove config.data.batch_size and config.data.augment.'
            )
        return pipeline.fixed(dataset)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise UserError(f'config.data.batch_size is {batch_size!r}; set it to 1 or more.')
    source = pipeline.shuffled(
        dataset,
        seed=seed,
        batch_size=batch_size,
        augmentation=augmentation,
        memory_budget_mib=config.get('memory_budget_mib', _MEMORY_BUDGET_MIB),
        process=process,
    )
    if dataset.pairing is not None and has_held_out(config):
        source = source._replace(preview=functools.partial(_spread_pairs, config))
    return source


def examples(
    config: Mapping[str, Any], *, split: str
) -> tuple[np.ndarray | Iterator[np.ndarray], np.ndarray | None]:
    """Returns the images of a source, not augmented and in order.

    Args:
      config: as for `make`; batch size and augmentation are ignored.
      split: 'train' or 'test', whatever the config says.

    Returns:
      The images, uint8 [n, height, width, channels], and the labels, int32 [n] or None. A set
      larger than the memory budget comes as an iterator over chunks of the images, without
      labels. For pairs, the images are the targets.

    Raises:
      UserError: the source has no splits, or not this one.
    """
    dataset = _split(config, split)
    if dataset.pairing is not None:
        return pairs.examples(dataset)['target'], None
    if dataset.num_bytes > config.get('memory_budget_mib', _MEMORY_BUDGET_MIB) * 2**20:
        return _chunks(dataset), None
    everything = dataset.read(slice(None))
    return everything['image'], everything.get('label')


def paired_examples(config: Mapping[str, Any], *, split: str) -> dict[str, np.ndarray]:
    """Returns the pairs of a source, not augmented and in the order of the files' names.

    Args:
      config: as for `make`; batch size and augmentation are ignored.
      split: 'train' or 'test', whatever the config says.

    Returns:
      {'input': uint8 [n, height, width, channels], 'target': ...}. If the pairs come from
      subsets (the task 'another'), also 'label': int32 [n], the number of each pair's subset.

    Raises:
      UserError: the source has no pairs, or not this split.
    """
    dataset = _split(config, split)
    if dataset.pairing is None:
        raise UserError(
            f'config.data.name={config["name"]!r} has no pairs; measure a run on pairs.'
        )
    return pairs.examples(dataset)


def held_out(config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns the test split of a `data` section, uint8 [n, height, width, channels] each.

    The names are 'input' and 'target' for pairs, and 'image' otherwise.
    """
    if config['name'] == 'pairs':
        both = paired_examples(config, split='test')
        return {side: both[side] for side in ('input', 'target')}
    pictures, _ = examples(config, split='test')
    if not isinstance(pictures, np.ndarray):
        pictures = np.concatenate(list(pictures))
    return {'image': pictures}


def files(config: Mapping[str, Any], *, split: str) -> tuple[str, ...]:
    """Returns the file of each image of `examples`, relative to the folder; () without files."""
    return _split(config, split).files


def has_held_out(config: Mapping[str, Any]) -> bool:
    """Returns whether a source's split 'test' holds images that its split 'train' does not.

    Folders and pairs hold images out only with a `test_fraction` above 0. Sources without
    splits (`none`, `fixed`, `style`) hold none out. The answer comes from the section alone, so
    it is not certain: of a few files none may fall into the test split, and a tfds set may lack
    that split.
    """
    options = _with_defaults(config)
    return 'split' in options and options.get('test_fraction', 1.0) > 0.0


def class_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the names of a source's classes in the order of their labels; () without names.

    These are the classes that the section keeps: `dict(config, class_names=())` gives all
    classes of the source. Only the names of Fashion-MNIST and the digits are known without
    reading the data set.
    """
    known = {'digits': digits.NAMES, 'fashion_mnist': fashion_mnist.NAMES}
    if config['name'] not in known:
        return _load(config).class_names
    names, kept = known[config['name']], config.get('class_names') or ()
    return tuple(name if isinstance(name, str) else names[name] for name in kept) or names


def input_filter(config: Mapping[str, Any]) -> Callable[[np.ndarray], np.ndarray] | None:
    """Returns the filter that turns images into the inputs of a translation.

    Returns:
      (uint8 [height, width, 1 or 3]) -> uint8 [height, width, input channels] for pairs of the
      task 'filter' whose input is the filtered side. None for others: images are their inputs.
    """
    options = _with_defaults(config)
    if options.get('task') != 'filter' or options['direction'] != 'AtoB':
        return None
    chosen = filters.make(options['filter'], options['filter_options'] or {})
    return lambda image: chosen(decode.to_channels(image, options['channels']))


def starts_from_noise(config: Mapping[str, Any]) -> bool:
    """Returns whether the inputs of the source's pairs are noise, so that no image is needed."""
    return config.get('task') == 'noise'


def _spread_pairs(config: Mapping[str, Any], count: int) -> dict[str, np.ndarray] | None:
    try:
        sides = held_out(config)
    except UserError:  # Of a few files none may fall into the test split. Training needs none.
        return None
    total = len(sides['target'])
    rows = np.linspace(0, total - 1, min(count, total), dtype=int)
    return {side: images.from_uint8(pixels[rows]) for side, pixels in sides.items()}


def _split(config: Mapping[str, Any], split: str) -> Dataset:
    if 'split' not in _with_defaults(config):
        raise UserError(
            f'config.data.name={config["name"]!r} has no splits to compare with; '
            'measure a run that reads a data set.'
        )
    return _load({**config, 'split': split})


def _load(config: Mapping[str, Any]) -> Dataset:
    loader = choose(SOURCES, config.get('name'), where='config.data.name')
    options = {name: value for name, value in config.items() if name not in _NOT_OF_LOADERS}
    check_keywords('config.data', options, loader)
    return loader(**options)


def _with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a section with the defaults of its loader filled in."""
    loader = choose(SOURCES, config.get('name'), where='config.data.name')
    parameters = inspect.signature(loader).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters} | dict(config)


def _chunks(dataset: Dataset) -> Iterator[np.ndarray]:
    for first in range(0, dataset.shape[0], _CHUNK):
        yield dataset.read(slice(first, first + _CHUNK))['image']
