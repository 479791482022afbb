r"""Style transfer by neural neighbors: the photograph keeps its objects.

python -m experiments.train --config=configs/style_neighbours.py --config.data.content=A
    --config.data.style=B --workdir=W
    [--config.data.size=512] [--config.method.strength=0.6] [--config.data.colors=matched]

A and B are images of any size, format and proportions. A may be a folder, and B may be several
images, separated by commas. The result is W/results/A.png, with the size and the alpha channel of
A. At 256 pixels a run takes a few minutes on two cores.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict()
    config.data.name = 'style'
    config.data.content = ''
    config.data.style = ''
    config.data.size = 32 if arg.smoke else 256
    config.data.fit = 'keep'
    config.data.style_scale = 1.0
    config.data.style_weights = ()
    config.data.colors = 'style'
    config.data.content_mask = ''
    config.data.style_masks = ''
    config.method = ConfigDict()
    config.method.name = 'style_neighbours'
    config.method.num_steps = 4 if arg.smoke else 1000
    config.method.scales = (0.5, 1.0) if arg.smoke else (0.125, 0.25, 0.5, 1.0)
    config.method.split_fraction = 0.25 if arg.smoke else 0.2
    config.method.strength = 1.0
    config.method.content_weight = 0.25
    config.method.network = 'vgg16_random' if arg.smoke else 'vgg16'
    if arg.smoke:  # Fewer layers compile faster.
        config.method.layers = ('block1_conv1', 'block2_conv1')
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('style',),
        log_every_steps=10,
        sample_every_steps=50,
        checkpoint_every_steps=200,
    )
    return config
