r"""Noise in, pictures out, by pix2pix: what the model knows as a pure generator.

python -m experiments.train --config=configs/pix2pix_noise.py --config.data.path=DIR
    --workdir=W
python -m experiments.translate --workdir=W --num=16 --output=drawn/
    [--config=configs/pix2pix_noise.py:full]

The input is uniform noise, new at every step, so that it tells nothing of the target.
The outputs are one picture: their variance is 0.02 of the targets' (results/pix2pix_noise.md).
"""

from configs.pix2pix_autoencoder import parse, translation


def get_config(arg=None):
    return translation(parse(arg), task='noise')
