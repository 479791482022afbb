r"""Pictures of ImageNet's classes by gradient ascent with the priors of feature visualization.

python -m experiments.train --config=configs/evolve_imagenet.py --workdir=runs/imagenet
    [--config.method.problem.class_names="('volcano','tabby')"]
python -m experiments.studies.evolve_gallery runs/imagenet --output=runs/imagenet/gallery

The recipe of Olah et al. (2017): Fourier coefficients with decorrelated colors, a random view in
each step, the logit of the class, and Adam at 0.05 for 512 steps. EfficientNet-Lite0 is the
classifier; Lite2, which never sees an image before the end, judges the transfer.

Variants, as arguments after a colon (configs/evolve_imagenet.py:both,...):
  pixels   no priors: pixels, no views, log-odds
  cppn     the weights of a pattern-producing network in color
  fourier  Fourier coefficients without views
  both     the mean logit of Lite0 and Lite1

All of them as a sweep: --config=configs/evolve_imagenet.py with experiments.sweep.
"""

from ml_collections import ConfigDict

from configs import common

CLASSES = (
    'volcano',
    'tabby',
    'goldfish',
    'peacock',
    'strawberry',
    'castle',
    'jellyfish',
    'daisy',
    'zebra',
    'beacon',
    'monarch',
    'pizza',
)
_VIEWS = {'margin': 6.0, 'shift': 6.0, 'scale': 0.1, 'degrees': 10.0}


def get_config(arg=None):
    arg = common.parse(
        arg, smoke=False, pixels=False, cppn=False, fourier=False, both=False, size=128, input=224
    )
    has_views = not (arg.pixels or arg.cppn or arg.fourier)
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({'name': 'none'})
    config.method = ConfigDict()
    config.method.name = 'gradient_ascent'
    config.method.num_steps = 2 if arg.smoke else 512
    config.method.chains_per_class = 1
    config.method.objective = 'log_odds' if arg.pixels else 'logit'
    config.method.learning_rate = 0.05
    config.method.jitter_pixels = 0
    config.method.views = ConfigDict(_VIEWS if has_views else {})
    config.method.total_variation = 0.0
    config.method.l2 = 0.0
    config.method.noise = 0.0
    config.method.problem = ConfigDict()
    config.method.problem.classifier = 'lite0'
    config.method.problem.also = 'lite1' if arg.both else ''
    config.method.problem.class_names = CLASSES[:4] if arg.smoke else CLASSES
    config.method.problem.image_size = 64 if arg.smoke else arg.size
    config.method.problem.input_size = 64 if arg.smoke else arg.input
    config.method.problem.encoding = 'fourier'
    if arg.pixels or arg.cppn:
        config.method.problem.encoding = 'pixels' if arg.pixels else 'cppn_color'
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('evolution',),
        log_every_steps=16,
        sample_every_steps=32,
        checkpoint_every_steps=64,
        num_samples=len(CLASSES),
    )
    return config
