r"""Evolution strategies and population searches on pixels or on pattern-producing networks.

python -m experiments.train --config=configs/evolve_strategy.py --workdir=runs/strategy
    [--config=configs/evolve_strategy.py:encoding=cppn] [--config.method.strategy=cma_es]
python -m experiments.studies.evolve_table --folder=runs/strategy

Seed 0 on pixels: all ten classes reached p >= 0.9999, after 3,177 evaluations per class (median).
The dense classifier sees the target class in 2 of the 10 images.

CMA-ES learns a full covariance matrix. On pixels it has 784 x 784 numbers and is slow, so use it
with the other encodings. The sweep of get_hyper compares strategies with equally many evaluations
and five seeds each:
python -m experiments.sweep --config=configs/evolve_strategy.py --workdir=runs/strategies
"""

from ml_collections import ConfigDict

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    '': {'success_0.9999': (1.0, 0.0, 1), 'evaluations_to_0.9999': (3177.0, 0.0, 1)},
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, encoding='pixels', classifier='convolutional')
    config = ConfigDict()
    config.seed = 0
    # Images evaluated per chain.
    config.evaluations = 64 if arg.smoke else 9_600
    config.data = ConfigDict({'name': 'none'})
    config.method = ConfigDict()
    config.method.name = 'evolution_strategy'
    config.method.strategy = 'snes'
    config.method.population_size = 8 if arg.smoke else 32
    config.method.num_steps = config.get_ref('evaluations') // config.method.get_ref(
        'population_size'
    )
    config.method.scale = 0.3
    config.method.learning_rate = 0.1
    config.method.chains_per_class = 4 if arg.smoke else 1
    config.method.objective = 'log_odds'
    config.method.problem = ConfigDict()
    config.method.problem.classifier = 'dense' if arg.smoke else arg.classifier
    config.method.problem.class_names = ()
    config.method.problem.encoding = arg.encoding
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('evolution',),
        log_every_steps=25,
        sample_every_steps=25,
        checkpoint_every_steps=100,
        num_samples=40,
    )
    return config


def get_hyper(h):
    strategies = ['open_es', 'snes', 'sep_cma_es', 'genetic', 'differential']
    return h.product([h.sweep('method.strategy', strategies), h.sweep('seed', range(5))])
