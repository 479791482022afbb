"""Shared parts of configs: the argument after the colon, and the sections of each family."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from imggen import options
from imggen.errors import UserError


def parse(arg: str | None, **defaults) -> ConfigDict:
    """Reads 'key=value,flag,...' over typed defaults.

    A bare key is a flag: 'smoke' is 'smoke=True'.

    Args:
      arg: the text after the colon of --config, or None.
      **defaults: the known keys; a value takes the type of its default.

    Raises:
      UserError: a key is unknown, or a value has another type.
    """
    values = ConfigDict(defaults)
    for part in filter(None, (arg or '').split(',')):
        key, _, text = part.partition('=')
        if key not in defaults:
            raise UserError(f'config argument {key!r}: {options.suggestion(key, list(defaults))}')
        default = defaults[key]
        try:
            if isinstance(default, bool):
                values[key] = {'true': True, 'false': False, '': True}[text.lower()]
            else:
                values[key] = type(default)(text)
        except (KeyError, ValueError) as error:
            kind = type(default).__name__
            raise UserError(f'config argument {key}={text!r} is not of type {kind}.') from error
    return values


def config(method: str, *, total_images: int, data: Mapping[str, Any]) -> ConfigDict:
    """Returns a config with seed 0 whose number of steps follows from the number of images.

    `total_images` is how many images training reads; `data` is the `data` section, with
    `batch_size`.
    """
    config = ConfigDict({'seed': 0, 'init_from': '', 'total_images': total_images})
    config.data = ConfigDict(data)
    num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    config.method = ConfigDict({'name': method})
    config.method.num_steps = num_steps
    return config


def run(*, smoke: bool, **options) -> ConfigDict:
    """Returns the `run` section; with `smoke`, every hook fires within a few steps."""
    section = ConfigDict(options)
    if smoke:
        for name in options:
            if name.endswith('_every_steps') and section[name]:
                section[name] = 1
        section.num_samples = 4
    return section


def fashion_gan(
    arg: ConfigDict, *, method: str = 'gan', total_images: int = 100_000, **run_options
) -> ConfigDict:
    """Returns the config of a GAN on Fashion-MNIST, without its networks and its loss.

    `arg` holds `smoke`; `run_options` are further options of config.run.
    """
    result = config(
        method,
        total_images=64 if arg.smoke else total_images,
        data={'name': 'fashion_mnist', 'batch_size': 16 if arg.smoke else 32},
    )
    result.method.learning_rate = 1e-3
    result.method.b1 = 0.0
    result.method.b2 = 0.99
    result.method.ema_half_life_images = 10_000.0
    schedule = {'log_every_steps': 100, 'sample_every_steps': 500, 'checkpoint_every_steps': 1000}
    result.run = run(smoke=arg.smoke, extractor='fashion_classifier', **(schedule | run_options))
    return result


def perceptron_gan(arg: ConfigDict, *, data: Mapping[str, Any], num_train: int) -> ConfigDict:
    """Returns the config of a GAN of perceptrons: 13 passes in batches of 5.

    Args:
      arg: holds `smoke`.
      data: the source and its options.
      num_train: number of training images, which decides the number of steps.
    """
    result = ConfigDict({'seed': 0, 'init_from': '', 'epochs': 1 if arg.smoke else 13})
    result.data = ConfigDict({**data, 'batch_size': 8 if arg.smoke else 5})
    steps_per_epoch = num_train // result.data.get_ref('batch_size')
    result.method = ConfigDict({'name': 'gan'})
    result.method.num_steps = result.get_ref('epochs') * steps_per_epoch
    result.method.network = 'perceptron'
    result.method.generator = ConfigDict({'features': (16,) if arg.smoke else (256, 256)})
    result.method.discriminator = ConfigDict({'features': (8,) if arg.smoke else (64, 64)})
    result.method.discriminator_steps = 1
    result.method.loss = 'nonsaturating'
    result.method.learning_rate = 3e-4
    result.method.b1 = 0.5
    result.method.ema_half_life_images = 1000.0
    result.run = run(
        smoke=arg.smoke,
        extractor='pixels',
        scores=('parzen',),
        log_every_steps=50,
        sample_every_steps=steps_per_epoch,
        checkpoint_every_steps=5 * steps_per_epoch,
        num_samples=100,
    )
    return result


def pictures(arg: ConfigDict, *, batch_size: int) -> ConfigDict:
    """Returns the `data` section of a config that runs on several kinds of images.

    Args:
      arg: `data`, one of fashion_mnist, digits and folder; `kind`, the one class of the first two
        to keep, or '' for all; `size`, the side of the square images of a folder, whose path is
        --config.data.path, or 0 for 32.
      batch_size: number of images in a step.

    Raises:
      UserError: `data` has another value, or does not take the others.
    """
    if arg.kind if arg.data == 'folder' else arg.size:
        name = 'kind' if arg.data == 'folder' else 'size'
        raise UserError(f'config argument {name} is not for data={arg.data}: leave it out.')
    section = ConfigDict({'name': arg.data, 'batch_size': batch_size})
    if arg.data == 'folder':
        side = arg.size or 32
        section.update({'path': '', 'size': (side, side), 'fit': 'crop'})
        section.augment = ConfigDict({'flip': True})
    elif arg.data in ('fashion_mnist', 'digits'):
        section.class_names = (arg.kind,) if arg.kind else ()
    else:
        raise UserError(
            f'config argument data={arg.data!r} is unknown: choose fashion_mnist, digits or folder.'
        )
    return section


def evaluator(arg: str | None, *, method: str, scores: tuple[str, ...]) -> ConfigDict:
    """Returns the config of a learned evaluator, without the options of its method.

    Args:
      arg: the text after the colon of --config: `smoke`, and the keys of `pictures`.
      method: config.method.name.
      scores: config.run.scores.
    """
    arg = parse(arg, smoke=False, data='fashion_mnist', kind='', size=0)
    result = config(
        method,
        total_images=128 if arg.smoke else 60_000,
        data=pictures(arg, batch_size=16),
    )
    result.run = run(
        smoke=arg.smoke,
        extractor='fashion_classifier' if arg.data == 'fashion_mnist' else '',
        scores=scores,
        log_every_steps=200,
        sample_every_steps=1000,
        checkpoint_every_steps=4000,
    )
    return result


def parse_translation(arg: str | None, **defaults) -> ConfigDict:
    """Reads the keys of every translation, as `translation` has them, and those of `defaults`."""
    return parse(arg, smoke=False, full=False, perceptual=False, bridge=False, size='', **defaults)


def translation(arg: ConfigDict, **data) -> ConfigDict:
    """Returns the config of pix2pix, or that of the flow from inputs to targets on the same data.

    Args:
      arg: the result of `parse_translation`: `smoke`; `full`, the published networks; `size`,
        HEIGHTxWIDTH; `perceptual`, a third loss by VGG16 and a late discriminator; `bridge`, the
        flow.
      **data: options of the source 'pairs' that say what input and target are.
    """
    cut, whole = _sizes(arg)
    result = config(
        'pix2pix',
        total_images=16 if arg.smoke else 80_000 if arg.full else 24_000,
        data={
            'name': 'pairs',
            'path': '',
            'size': whole,
            'test_size': cut,
            'fit': 'crop',
            'test_fraction': 0.1,
            'batch_size': 1 if arg.full else 4,
            'augment': ConfigDict({'flip': True, 'crop': cut}),
            **data,
        },
    )
    result.run = paired_run(arg)
    if arg.bridge and arg.perceptual:
        raise UserError('config arguments bridge and perceptual: give one of them.')
    if arg.bridge:
        _set_bridge(result, arg)
        return result
    # In a batch of one image, batch statistics are those of the image, as in the paper.
    shared = {'features': 64 if arg.full else 32, 'norm': 'batch' if arg.full else 'instance'}
    result.method.generator = ConfigDict({**shared, 'skips': True, 'dropout': 0.5})
    result.method.discriminator = ConfigDict({**shared, 'layers': 3})
    if arg.smoke:
        result.method.generator.update({'features': 2, 'depth': 2})
        result.method.discriminator.update({'features': 2, 'layers': 0})
    result.method.loss = 'nonsaturating'
    result.method.gan_weight = 1.0
    result.method.l1_weight = 100.0
    result.method.conditional = True
    result.method.test_dropout = True
    result.method.test_statistics = 'image'
    result.method.learning_rate = 2e-4
    result.method.constant_fraction = 0.5
    if arg.perceptual and not arg.smoke:
        result.method.perceptual_network = 'vgg16'
        result.method.perceptual_weight = 100.0
        result.method.gan_start_fraction = 0.5
        result.method.label_smoothing = 0.1
    return result


def _set_bridge(config: ConfigDict, arg: ConfigDict) -> None:
    """Makes the config of pix2pix that of the method 'bridge'."""
    config.method.name = 'bridge'
    features = (4, 8) if arg.smoke else (32, 64, 96, 128)
    config.method.network = ConfigDict({'features': features, 'heads': 0})
    config.method.noise = 0.5
    config.method.evaluations = 10
    config.method.learning_rate = 1e-3
    config.method.ema_half_life_images = 1000.0


def paired_run(arg: ConfigDict) -> ConfigDict:
    """Returns the `run` section of methods that translate; `arg` holds `smoke`."""
    return run(
        smoke=arg.smoke,
        extractor='',
        scores=('translation',),
        log_every_steps=50,
        sample_every_steps=500,
        checkpoint_every_steps=1000,
        num_samples=16,
    )


def _sizes(arg: ConfigDict) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns (height, width) of the crops, and of the images that they are cut from."""
    if not arg.size:
        side, whole = (16, 18) if arg.smoke else (256, 286) if arg.full else (64, 72)
        return (side, side), (whole, whole)
    try:
        height, width = (int(side) for side in arg.size.split('x'))
    except ValueError as error:
        raise UserError(
            f'config argument size={arg.size!r} is not HEIGHTxWIDTH, such as 256x320.'
        ) from error
    return (height, width), (height + height // 8, width + width // 8)
