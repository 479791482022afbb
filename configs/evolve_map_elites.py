r"""MAP-Elites: one search for all classes, which scores every child for each of them.

python -m experiments.train --config=configs/evolve_map_elites.py --workdir=runs/elites
    [--config=configs/evolve_map_elites.py:bins=8]
python -m experiments.studies.evolve_table --folder=runs/elites

The operators and rates are those of Nguyen et al. (2015). With `bins`, every class has one cell
for each of bins x bins ranges of brightness and roughness.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, bins=1, encoding='pixels', classifier='convolutional')
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({'name': 'none'})
    config.method = ConfigDict()
    config.method.name = 'map_elites'
    config.method.num_steps = 4 if arg.smoke else 1000
    config.method.archives = 4 if arg.smoke else 1
    config.method.initial = 8 if arg.smoke else 200
    config.method.children = 8 if arg.smoke else 200
    config.method.bins = (arg.bins, arg.bins)
    config.method.crossover_rate = 0.5
    config.method.crossover_eta = 10.0
    config.method.mutation_rate = 0.1
    config.method.mutation_eta = 15.0
    config.method.problem = ConfigDict()
    config.method.problem.classifier = 'dense' if arg.smoke else arg.classifier
    config.method.problem.class_names = ()
    config.method.problem.encoding = arg.encoding
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('evolution',),
        log_every_steps=10,
        sample_every_steps=100,
        checkpoint_every_steps=500,
        num_samples=10 * arg.bins**2,
    )
    return config
