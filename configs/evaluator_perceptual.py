r"""As evaluator_reference.py, with distances in the evaluator's features instead of in pixels.

python -m experiments.train --config=configs/evaluator_perceptual.py --workdir=runs/perceptual
"""

from configs import evaluator_reference


def get_config(arg=None):
    config = evaluator_reference.get_config(arg)
    config.method.guidance = 'features'
    return config
