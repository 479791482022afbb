r"""Pictures of ImageNet's classes by gradient ascent with the priors of feature visualization.

python -m experiments.train --config=configs/evolve_imagenet.py --workdir=runs/imagenet
    [--config.method.problem.class_names=volcano,great_white_shark]
python -m experiments.studies.evolve_gallery runs/imagenet --output=gallery

The recipe of Olah et al. (2017): Fourier coefficients with decorrelated colors, a random view in
each step, the logit of the class, and Adam at 0.05. They take 512 steps; here more than 128 add
contrast rather than likeness. EfficientNet-Lite0 is the classifier, and Lite2, which never sees an
image before the end, measures the transfer. Smaller inputs than 224 pixels are faster, but their
images transfer less.

A variant is an argument after a colon, as is the size of the images and of the network's input
(configs/evolve_imagenet.py:variant=both,size=224):
  priors   all of the above, the default
  fourier  Fourier coefficients without views
  pixels   no priors: the log-odds of pixels
  cppn     the log-odds of a pattern-producing network in color
  both     the mean logit of Lite0 and Lite1, which transfers best and costs a second network

The sweep of get_hyper runs them all:
python -m experiments.sweep --config=configs/evolve_imagenet.py --workdir=runs/imagenets
python -m experiments.studies.evolve_table --folder=runs/imagenets
"""

from ml_collections import ConfigDict

from configs import common
from imggen import options

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
_NO_VIEWS = {f'method.views.{name}': 0.0 for name in ('margin', 'shift', 'scale', 'degrees')}
_NO_PRIORS = {**_NO_VIEWS, 'method.objective': 'log_odds', 'method.total_variation': 0.0}
VARIANTS = {
    'priors': {},
    'fourier': _NO_VIEWS,
    'pixels': {**_NO_PRIORS, 'method.problem.encoding': 'pixels'},
    'cppn': {**_NO_PRIORS, 'method.problem.encoding': 'cppn_color'},
    'both': {'method.problem.also': 'lite1'},
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, variant='priors', size=128, input=224)
    variant = options.choose(VARIANTS, arg.variant, where='config argument variant')
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({'name': 'none'})
    config.method = ConfigDict()
    config.method.name = 'gradient_ascent'
    config.method.num_steps = 2 if arg.smoke else 128
    config.method.chains_per_class = 4 if arg.smoke else 1
    config.method.objective = 'logit'
    config.method.learning_rate = 0.05
    config.method.views = ConfigDict({'margin': 6.0, 'shift': 6.0, 'scale': 0.1, 'degrees': 10.0})
    config.method.total_variation = 0.0
    config.method.problem = ConfigDict()
    config.method.problem.classifier = 'dense' if arg.smoke else 'lite0'
    config.method.problem.also = ''
    config.method.problem.class_names = () if arg.smoke else CLASSES
    config.method.problem.image_size = 0 if arg.smoke else arg.size
    config.method.problem.input_size = 0 if arg.smoke else arg.input
    config.method.problem.encoding = 'pixels' if arg.smoke else 'fourier'
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('evolution',),
        log_every_steps=16,
        sample_every_steps=32,
        checkpoint_every_steps=64,
        num_samples=len(CLASSES),
    )
    config.update_from_flattened_dict(variant)
    return config


def get_hyper(h):
    return h.product([list(VARIANTS.values()), h.sweep('seed', range(3))])
