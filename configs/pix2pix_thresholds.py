r"""Translates binary thresholds to pictures, by pix2pix.

python -m experiments.train --config=configs/pix2pix_thresholds.py --config.data.path=DIR
    --workdir=W
    [--config=configs/pix2pix_thresholds.py:perceptual]  [...:bridge]  [...:full]

For each color, the input has one black and white layer, which shows the pixels that are brighter
than 127. The sweep of get_hyper is the paper's own ablation on this task, with three seeds each: L1
alone, an unconditional and a conditional discriminator, and both; receptive fields of 1, 16 and 70
pixels; and the U-Net against an encoder-decoder without skips. On 64 x 64 crops of photographs, L1
alone has the smallest LPIPS of all losses, 0.355; with the discriminator it is 0.445
(results/pix2pix_thresholds*.md).
"""

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    ':perceptual data.test_fraction=0.2 data.fit=tiles total_images=12000': {
        'psnr': (18.58, 0.0, 1),
        'lpips': (0.3341, 0.0, 1),
    },
    ':bridge data.test_fraction=0.2 data.fit=tiles total_images=12000': {
        'psnr': (18.18, 0.0, 1),
        'lpips': (0.4094, 0.0, 1),
    },
    'data.test_fraction=0.2 data.fit=tiles': {
        'psnr': (18.05, 0.11, 3),
        'lpips': (0.445, 0.0098, 3),
    },
    'data.test_fraction=0.2 data.fit=tiles total_images=6000': {
        'psnr': (17.96, 0.16, 3),
        'lpips': (0.4337, 0.0048, 3),
    },
}


def get_config(arg=None):
    arg, level = common.parse_translation(arg), {'level': 127}
    return common.translation(arg, task='filter', filter='threshold', filter_options=level)


def get_hyper(h):
    """Losses, receptive fields and generators of Isola et al. 2017, tables 1 and 2 and text."""
    l1 = {'method.gan_weight': 0.0}
    gan = {'method.l1_weight': 0.0}
    unconditional = {'method.conditional': False}
    encoder_decoder = {'method.generator.skips': False}
    variants = [
        {},
        l1,
        gan,
        gan | unconditional,
        unconditional,
        *({'method.discriminator.layers': layers} for layers in (0, 1)),
        encoder_decoder,
        encoder_decoder | l1,
    ]
    return h.product([variants, h.sweep('seed', range(3))])
