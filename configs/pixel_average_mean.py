r"""The pixel mean of a folder of aligned portraits.

python -m experiments.prepare faces --source=PHOTOGRAPHS --output=FACES --detector=yunet --align
    --size=160,128
python -m experiments.train --config=configs/pixel_average_mean.py --workdir=runs/average_mean
    --config.data.path=FACES/portraits --config.total_images=NUMBER

NUMBER is the number of portraits, which the first command prints. Then each portrait counts once,
and the mean is exact. To average a subset, give a subfolder as the path. Without --align the
first command makes unaligned portraits to compare with.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    return average(common.parse(arg, smoke=False), statistic='mean')


def average(arg, *, statistic: str) -> ConfigDict:
    """Returns the config for one statistic, 'mean' or 'median'; `arg` has the key `smoke`."""
    config = ConfigDict()
    config.seed = 0
    config.total_images = 16 if arg.smoke else 1024
    config.data = ConfigDict()
    config.data.name = 'folder'
    config.data.path = ''
    config.data.size = (160, 128)
    config.data.channels = 3
    config.data.batch_size = 4 if arg.smoke else 16
    config.method = ConfigDict()
    config.method.name = 'pixel_average'
    config.method.num_images = config.get_ref('total_images')
    # The last batch may be incomplete.
    config.method.num_steps = (
        config.get_ref('total_images') + config.data.get_ref('batch_size') - 1
    ) // config.data.get_ref('batch_size')
    config.method.statistic = statistic
    config.run = common.run(
        smoke=arg.smoke,
        log_every_steps=1,
        sample_every_steps=8,
        checkpoint_every_steps=64,
    )
    config.run.num_samples = 1
    return config
