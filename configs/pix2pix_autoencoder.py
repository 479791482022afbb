r"""pix2pix as an autoencoder: the same picture in and out.

python -m experiments.train --config=configs/pix2pix_autoencoder.py --config.data.path=DIR
    --workdir=W
python -m experiments.translate --workdir=W --validation --output=W/page
    [--config=configs/pix2pix_autoencoder.py:full]

Shows what the network can describe at all, before anything is asked of it. `:full` is the
published size, 256 x 256 (cut from 286 x 286), 64 features, 8 levels, one picture a step; any
other by `:full,size=HEIGHTxWIDTH`, such as 256x320 or 480x360. Every tenth picture, by its
name, is held out for the measures and for the sheets of samples. After 6,000 pictures of
64 x 64 PSNR is 28.0 dB with L1 alone, 27.1 with the discriminator
(results/pix2pix_autoencoder.md).
"""

from ml_collections import ConfigDict

from configs import common
from imggen.errors import UserError


def get_config(arg=None):
    return translation(parse(arg))


def parse(arg, **defaults) -> ConfigDict:
    """Reads what all translations take: `smoke`, `full`, `size`; and what `defaults` names."""
    return common.parse(arg, smoke=False, full=False, size='', **defaults)


def translation(arg, **data) -> ConfigDict:
    """Returns the config of a translation; the other trainings differ from it in their data.

    Args:
      arg: as `parse` returns it.
      **data: options of the source 'pairs' that say what input and target are.
    """
    cut, size = _sizes(arg)
    config = ConfigDict()
    config.seed = 0
    config.total_images = 16 if arg.smoke else 80_000 if arg.full else 24_000
    config.data = ConfigDict()
    config.data.name = 'pairs'
    config.data.path = ''
    config.data.size = size
    config.data.test_size = cut
    config.data.fit = 'crop'
    config.data.test_fraction = 0.1
    config.data.update(data)
    config.data.batch_size = 1 if arg.full else 4
    config.data.augment = ConfigDict({'flip': True, 'crop': cut})
    config.method = ConfigDict()
    config.method.name = 'pix2pix'
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    # A batch of one picture has that picture's statistics: the paper's normalization.
    shared = {'features': 64 if arg.full else 32, 'norm': 'batch' if arg.full else 'instance'}
    config.method.generator = ConfigDict({**shared, 'skips': True, 'dropout': 0.5})
    config.method.discriminator = ConfigDict({**shared, 'layers': 3})
    if arg.smoke:
        config.method.generator.update({'features': 2, 'depth': 2})
        config.method.discriminator.update({'features': 2, 'layers': 0})
    config.method.loss = 'nonsaturating'
    config.method.gan_weight = 1.0
    config.method.l1_weight = 100.0
    config.method.conditional = True
    config.method.test_dropout = True
    config.method.test_statistics = 'image'
    config.method.learning_rate = 2e-4
    config.method.constant_fraction = 0.5
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('translation',),
        log_every_steps=50,
        sample_every_steps=500,
        checkpoint_every_steps=1000,
        num_samples=16,
    )
    return config


def _sizes(arg) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns (height, width) of what is learned, and of the pictures from which it is cut."""
    if not arg.size:
        side, whole = (16, 18) if arg.smoke else (256, 286) if arg.full else (64, 72)
        return (side, side), (whole, whole)
    try:
        height, width = (int(side) for side in arg.size.split('x'))
    except ValueError as error:
        raise UserError(
            f'config argument size={arg.size!r} is no HEIGHTxWIDTH, such as 256x320.'
        ) from error
    return (height, width), (height + height // 8, width + width // 8)
