r"""A convolutional classifier, real or not, as the evaluator in place of the autoencoder.

python -m experiments.train --config=configs/evaluator_cnn.py --workdir=runs/judged

It learns real pictures from noise, random shapes and shuffled patches, then stands still
while it teaches the generator.
"""

from configs import evaluator_threshold


def get_config(arg=None):
    config = evaluator_threshold.get_config(arg)
    config.method.evaluator_network = 'cnn'
    del config.method.evaluator['code_size']
    return config
