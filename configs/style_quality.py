r"""Style transfer from coarse to fine: the best quality for a given time.

python -m experiments.train --config=configs/style_quality.py --config.data.content=A
    --config.data.style=B --workdir=W
    [--config.data.size=1024] [--config.data.style_scale=0.5] [--config.data.colors=content]
    [--config.method.style_weight=10]

A and B are images of any size, format and proportions. A may be a folder, and B may be several
images, separated by commas. The result is W/results/A.png, with the size and the alpha channel of
A. Losses are relative, so that the weights do not depend on the size. Above 1024 pixels set
--config.method.tile=512.
"""

from ml_collections import ConfigDict

from configs import common

_CONTENT = 'data.content=runs/art/tubingen.jpg,runs/art/chelsea.png,runs/art/coffee.png'
EXPECTED = {
    f'{_CONTENT} data.size=320 data.style=runs/art/starry_night.jpg': {
        'style_vgg16': (0.01698, 0.0, 1),
        'content_vgg16': (0.9728, 0.0, 1),
    },
    f'{_CONTENT} data.size=320 data.style=runs/art/the_scream.jpg': {
        'style_vgg16': (0.02892, 0.0, 1),
        'content_vgg16': (0.8687, 0.0, 1),
    },
    f'{_CONTENT} data.size=320 data.style=runs/art/shipwreck.jpg': {
        'style_vgg16': (0.02756, 0.0, 1),
        'content_vgg16': (0.8744, 0.0, 1),
    },
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict()
    config.data.name = 'style'
    config.data.content = ''
    config.data.style = ''
    config.data.size = 32 if arg.smoke else 512
    config.data.fit = 'keep'
    config.data.style_scale = 1.0
    config.data.style_weights = ()
    config.data.trim = True
    config.data.colors = 'style'
    config.data.detail = 0.0
    config.data.initial = ''
    config.data.content_mask = ''
    config.data.style_masks = ''
    config.method = ConfigDict()
    config.method.name = 'style'
    config.method.num_steps = 4 if arg.smoke else 300
    config.method.scales = (0.5, 1.0) if arg.smoke else (0.25, 0.5, 1.0)
    config.method.shares = (1.0, 1.0) if arg.smoke else (4.0, 2.0, 1.0)
    config.method.network = 'vgg16_random' if arg.smoke else 'vgg16'
    config.method.statistic = 'gram'
    config.method.style_weight = 30.0
    config.method.variation_weight = 0.0
    config.method.initial = 'content'
    config.method.optimizer = 'lbfgs'
    config.method.tile = 0
    if arg.smoke:  # Fewer layers compile faster.
        config.method.style_layers = ConfigDict({'block1_conv1': 1.0})
        config.method.content_layer = 'block2_conv1'
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('style',),
        log_every_steps=5,
        sample_every_steps=25,
        checkpoint_every_steps=100,
    )
    return config
