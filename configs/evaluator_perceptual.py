r"""The reference approach with distances in the features of the evaluator, not in pixels.

python -m experiments.train --config=configs/evaluator_perceptual.py --workdir=runs/perceptual
"""

from configs import evaluator_reference


def get_config(arg=None):
    config = evaluator_reference.get_config(arg)
    config.method.guidance = 'features'
    return config
