r"""Pictures near many references and far from each other, in the features of the evaluator.

python -m experiments.train --config=configs/evaluator_diversity.py --workdir=runs/diversity

The pictures of every batch are the references. With the weight 1/2 the two terms make an
energy distance, which is smallest where generated pictures are distributed as real ones.
"""

from configs import evaluator_perceptual


def get_config(arg=None):
    config = evaluator_perceptual.get_config(arg)
    config.method.reference_epochs = 0
    config.method.diversity = 0.5
    config.method.ema_half_life_images = 5_000.0
    return config
