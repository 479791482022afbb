r"""An innovation engine (Nguyen et al. 2015): one archive with a cell for each class of ImageNet.

python -m experiments.train --config=configs/evolve_innovation.py --workdir=runs/innovation
python -m experiments.studies.evolve_gallery runs/innovation --output=gallery

The images are those of pattern-producing networks in color, without sine; EfficientNet-Lite0 sees
them at 96 pixels. The operators and rates are those of the paper; its networks grow, and these do
not. The gallery counts the cells filled over time and the goal switches. The default is the
paper's budget of 2 million images. Stop the run at any time: the same command continues it.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, classifier='lite0', size=96)
    config = ConfigDict()
    config.seed = 0
    # Images evaluated in all.
    config.evaluations = 64 if arg.smoke else 2_000_000
    config.data = ConfigDict({'name': 'none'})
    config.method = ConfigDict()
    config.method.name = 'map_elites'
    config.method.archives = 4 if arg.smoke else 1
    config.method.initial = 8 if arg.smoke else 400
    config.method.children = 8 if arg.smoke else 200
    config.method.num_steps = config.get_ref('evaluations') // config.method.get_ref('children')
    config.method.bins = (1, 1)
    config.method.crossover_rate = 0.5
    config.method.crossover_eta = 10.0
    config.method.mutation_rate = 0.1
    config.method.mutation_eta = 15.0
    config.method.problem = ConfigDict()
    config.method.problem.classifier = 'dense' if arg.smoke else arg.classifier
    config.method.problem.class_names = ()
    config.method.problem.image_size = 0 if arg.smoke else arg.size
    config.method.problem.input_size = 0 if arg.smoke else arg.size
    config.method.problem.encoding = 'cppn' if arg.smoke else 'cppn_color'
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('evolution',),
        log_every_steps=5,
        sample_every_steps=50,
        checkpoint_every_steps=25,
        num_samples=100,
    )
    return config
