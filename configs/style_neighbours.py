r"""Style transfer by neural neighbors: the photograph keeps its objects.

python -m experiments.train --config=configs/style_neighbours.py --config.data.content=A
    --config.data.style=B --workdir=W
    [--config.method.strength=0.8] [--config.data.colors=matched] [--config.data.detail=1]

A and B are images of any size, format and proportions. A may be a folder, and B may be several
images, separated by commas. The result is W/results/A.png, with the size and the alpha channel of
A. --config=configs/style_neighbours.py:size=512 works at 512 pixels instead of 256, with one more
scale: the coarsest has 64 pixels.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, size=256)
    scales = [1.0]
    while arg.size * scales[0] >= 128:
        scales.insert(0, scales[0] / 2)
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict()
    config.data.name = 'style'
    config.data.content = ''
    config.data.style = ''
    config.data.size = 32 if arg.smoke else arg.size
    config.data.fit = 'keep'
    config.data.style_scale = 1.0
    config.data.style_weights = ()
    config.data.trim = True
    config.data.colors = 'style'
    config.data.detail = 0.0
    config.data.content_mask = ''
    config.data.style_masks = ''
    config.method = ConfigDict()
    config.method.name = 'style_neighbours'
    config.method.num_steps = 4 if arg.smoke else 200 * (len(scales) + 1)
    config.method.scales = (0.5, 1.0) if arg.smoke else tuple(scales)
    config.method.split_fraction = 0.25 if arg.smoke else 1 / (len(scales) + 1)
    config.method.strength = 0.6
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
