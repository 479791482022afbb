r"""Hill climbing from random pixels: all ten classes against the convolutional classifier.

python -m experiments.train --config=configs/evolve_hill_climb.py --workdir=runs/climb
python -m experiments.studies.evolve_table --folder=runs/climb

A sweep over acceptances and seeds:
python -m experiments.sweep --config=configs/evolve_hill_climb.py --workdir=runs/climbs
    --axis method.acceptance=greedy,annealing --axis seed=0..4
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, classifier='convolutional')
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({'name': 'none'})
    config.method = ConfigDict()
    config.method.name = 'hill_climb'
    config.method.num_steps = 4 if arg.smoke else 2000
    config.method.chains_per_class = 4
    config.method.problem = ConfigDict()
    config.method.problem.classifier = 'dense' if arg.smoke else arg.classifier
    config.method.problem.class_names = ()
    config.method.problem.encoding = 'pixels'
    config.method.order = 'mixed'
    config.method.objective = 'log_odds'
    config.method.acceptance = 'greedy'
    config.method.temperature = 0.1
    config.method.temperature_end = 0.001
    config.method.moves = ConfigDict()
    config.method.moves.few_pixels = ConfigDict({'weight': 0.2, 'least': 1, 'most': 20})
    config.method.moves.many_pixels = ConfigDict({'weight': 0.0, 'least': 30, 'most': 200})
    config.method.moves.inverse = ConfigDict({'weight': 0.0, 'max_side': 8})
    config.method.moves.sketch = ConfigDict({'weight': 0.8, 'max_width': 4.0})
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('evolution',),
        log_every_steps=50,
        sample_every_steps=500,
        checkpoint_every_steps=1000,
        num_samples=40,
    )
    return config
