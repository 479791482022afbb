r"""Gradient ascent, an upper bound for searches: Adam on pixels or on a generator's latents.

python -m experiments.train --config=configs/evolve_gradient.py --workdir=runs/gradient
python -m experiments.studies.evolve_table --folder=runs/gradient

Seed 0: all 40 images reached p >= 0.9999, after 53 evaluations (median). The dense classifier sees
the target class in 10 % of them.

`:priors` adds jitter, total variation and L2, so that images look less like noise. `:latent`
searches the latents of runs/gan instead, with the density of the latents as the prior
(--config.method.problem.encoding names another run).
"""

from ml_collections import ConfigDict

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    '': {'success_0.9999': (1.0, 0.0, 1), 'evaluations_to_0.9999': (53.0, 0.0, 1)},
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, priors=False, latent=False, classifier='convolutional')
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({'name': 'none'})
    config.method = ConfigDict()
    config.method.name = 'gradient_ascent'
    config.method.num_steps = 4 if arg.smoke else 200
    config.method.chains_per_class = 4
    config.method.objective = 'log_odds'
    config.method.learning_rate = 0.05
    config.method.jitter_pixels = 2 if arg.priors else 0
    config.method.total_variation = 100.0 if arg.priors else 0.0
    config.method.l2 = 0.005 if arg.priors else 0.0
    config.method.noise = 0.0
    config.method.problem = ConfigDict()
    config.method.problem.classifier = 'dense' if arg.smoke else arg.classifier
    config.method.problem.class_names = ()
    config.method.problem.encoding = 'pixels'
    if arg.latent:
        config.method.problem.encoding = 'runs/gan'
        config.method.problem.latent_limit = 1.0
        config.method.learning_rate = 0.1
        config.method.l2 = 0.02
        config.method.noise = 0.01
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('evolution',),
        log_every_steps=10,
        sample_every_steps=50,
        checkpoint_every_steps=100,
        num_samples=40,
    )
    return config
