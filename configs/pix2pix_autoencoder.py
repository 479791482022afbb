r"""pix2pix as an autoencoder: input and target are the same picture.

python -m experiments.train --config=configs/pix2pix_autoencoder.py --config.data.path=DIR
    --workdir=W
python -m experiments.translate --workdir=W --validation --output=W/page
    [--config=configs/pix2pix_autoencoder.py:full]

It shows how much the network can represent. `:full` has the published size: 256 x 256
(cropped from 286 x 286), 64 features, 8 levels, one picture in a step. Other sizes are set by
`:full,size=HEIGHTxWIDTH`, such as 256x320 or 480x360. Every tenth picture, chosen by its name, is
held out for the evaluation and for the sheets of samples. After 6,000 pictures of 64 x 64, PSNR is
28.0 dB with L1 alone and 27.1 dB with the discriminator (results/pix2pix_autoencoder.md).
"""

from configs import common


def get_config(arg=None):
    return common.translation(common.parse_translation(arg))
