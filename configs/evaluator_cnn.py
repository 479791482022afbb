r"""A convolutional network as the evaluator: it classifies images as real or not.

python -m experiments.train --config=configs/evaluator_cnn.py --workdir=runs/cnn

It learns to tell real images from noise, random shapes and shuffled patches. It is then frozen
and trains the generator.
"""

from configs import evaluator_threshold


def get_config(arg=None):
    config = evaluator_threshold.get_config(arg)
    config.method.evaluator_network = 'cnn'
    del config.method.evaluator['code_size']
    return config
