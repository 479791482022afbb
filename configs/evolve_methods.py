r"""All searches on all encodings with equally many evaluations, for a table of evolved images.

python -m experiments.sweep --config=configs/evolve_methods.py --workdir=runs/methods
python -m experiments.studies.evolve_table --folder=runs/methods

The sweep runs 4 searches x 3 encodings x 5 seeds. Every search evaluates 4,000 images per class: a
chain pursues one class, and an archive of all ten classes evaluates ten times as many images. The
latents are those of runs/gan (configs/gan_fashion_mnist.py).

The hill climb on pixels alone:
python -m experiments.train --config=configs/evolve_methods.py --workdir=W
"""

from ml_collections import ConfigDict

from configs import common

_EVALUATIONS = 4000
# Images evaluated per step and class. An archive has 200 children for all ten classes.
_EVALUATED_PER_STEP = {
    'hill_climb': 1,
    'evolution_strategy': 32,
    'map_elites': 20,
    'gradient_ascent': 2,
}
# Those that search the latents of a GAN depend on the GAN, too.
EXPECTED = {
    '': {'probability': (0.992, 0.0027, 5), 'success_0.99': (0.72, 0.11, 5)},
    'method.problem.encoding=cppn': {
        'probability': (0.8836, 0.033, 5),
        'success_0.99': (0.12, 0.045, 5),
    },
    'method.name=evolution_strategy method.num_steps=125': {
        'probability': (0.9998, 6.1e-05, 5),
        'success_0.99': (1.0, 0.0, 5),
    },
    'method.name=evolution_strategy method.num_steps=125 method.problem.encoding=cppn': {
        'probability': (0.9302, 0.036, 5),
        'success_0.99': (0.28, 0.16, 5),
    },
    'method.name=map_elites method.num_steps=200': {
        'probability': (0.9516, 0.017, 5),
        'success_0.99': (0.48, 0.045, 5),
    },
    'method.name=map_elites method.num_steps=200 method.problem.encoding=cppn': {
        'probability': (0.9609, 0.012, 5),
        'success_0.99': (0.24, 0.055, 5),
    },
    'method.name=gradient_ascent method.num_steps=2000': {
        'probability': (1.0, 0.0, 5),
        'success_0.99': (1.0, 0.0, 5),
    },
    'method.name=gradient_ascent method.num_steps=2000 method.problem.encoding=cppn': {
        'probability': (0.8573, 0.096, 5),
        'success_0.99': (0.8, 0.071, 5),
    },
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({'name': 'none'})
    config.method = ConfigDict()
    config.method.name = 'hill_climb'
    config.method.num_steps = 4 if arg.smoke else _EVALUATIONS
    config.method.problem = ConfigDict()
    config.method.problem.classifier = 'dense' if arg.smoke else 'convolutional'
    config.method.problem.class_names = ('Bag', 'Coat', 'Dress', 'Sandal') if arg.smoke else ()
    config.method.problem.encoding = 'pixels'
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('evolution',),
        log_every_steps=20,
        sample_every_steps=1000,
        checkpoint_every_steps=100_000,
        num_samples=10,
    )
    return config


def get_hyper(h):
    methods = [
        {'method.name': name, 'method.num_steps': _EVALUATIONS // evaluated}
        for name, evaluated in _EVALUATED_PER_STEP.items()
    ]
    encodings = h.sweep('method.problem.encoding', ['pixels', 'cppn', 'runs/gan'])
    return h.product([methods, encodings, h.sweep('seed', range(5))])
