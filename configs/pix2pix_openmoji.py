r"""Colors line drawings of emoji, by pix2pix.

python -m experiments.prepare openmoji --output=data/openmoji
python -m experiments.train --config=configs/pix2pix_openmoji.py --workdir=W
    --config.data.path=data/openmoji/line --config.data.target_path=data/openmoji/color

A tenth of the pictures is held out, chosen by their names. Mirrored drawings are drawings, too.
"""

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=12000 method.gan_weight=0.0': {
        'psnr': (17.91, 0.0, 1),
        'lpips': (0.1056, 0.0, 1),
    },
    ':perceptual total_images=12000': {
        'psnr': (17.17, 0.0, 1),
        'lpips': (0.1072, 0.0, 1),
    },
}


def get_config(arg=None):
    arg = common.parse_translation(arg)
    return common.translation(arg, task='two_folders', target_path='')
