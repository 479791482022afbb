r"""Every picture of a subset to every other, by pix2pix, until all outputs look the same.

python -m experiments.train --config=configs/pix2pix_average.py --config.data.path=DIR
    --workdir=W
    [--config=configs/pix2pix_average.py:full]

Each sub-folder of DIR is a subset. The target is another picture of the same subset, drawn anew
at every step, of which a network can know no more than what all have in common. `spread` in the
metrics is the variance between outputs in that between targets: with L1 alone it
stays at 0.15, that of the subsets' medians; with the discriminator it grows to 0.4
(results/pix2pix_average.md).
"""

from configs.pix2pix_autoencoder import parse, translation


def get_config(arg=None):
    return translation(parse(arg), task='another')
