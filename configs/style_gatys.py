r"""Neural style transfer as first published: L-BFGS from noise on VGG16, 512 x 512.

python -m experiments.train --config=configs/style_gatys.py --config.data.content=A
    --config.data.style=B --workdir=W

Both images are stretched to 512 x 512; the result, W/results/A.png, has the size of A. The content
layer is block4_conv2. The style layers are block1_conv1 to block4_conv1, compared by their Gram
matrices with equal weights. Alpha is 1 and beta 10,000, in the units of Caffe's weights; both mean
the same at every --config.data.size, because the content loss is scaled to 512 x 512. A step is one
evaluation of the loss; an iteration of L-BFGS takes one or a few.
"""

from ml_collections import ConfigDict

from configs import common

_MEASURED = 'data.content=runs/art/tubingen.jpg data.style=runs/art/starry_night.jpg'
EXPECTED = {
    f'{_MEASURED} method.style_weight=1000.0 method.num_steps=300': {
        'style_vgg16': (0.131, 0.0, 1),
        'content_vgg16': (0.1268, 0.0, 1),
    },
    f'{_MEASURED} method.style_weight=1000.0 method.num_steps=1000': {
        'style_vgg16': (0.1245, 0.0, 1),
        'content_vgg16': (0.1287, 0.0, 1),
    },
    f'{_MEASURED} method.style_weight=10000.0 method.num_steps=300': {
        'style_vgg16': (0.03688, 0.0, 1),
        'content_vgg16': (0.32, 0.0, 1),
    },
    f'{_MEASURED} method.style_weight=10000.0 method.num_steps=1000': {
        'style_vgg16': (0.03547, 0.0, 1),
        'content_vgg16': (0.3047, 0.0, 1),
    },
    f'{_MEASURED} method.style_weight=100000.0 method.num_steps=300': {
        'style_vgg16': (0.01521, 0.0, 1),
        'content_vgg16': (0.7064, 0.0, 1),
    },
    f'{_MEASURED} method.style_weight=100000.0 method.num_steps=1000': {
        'style_vgg16': (0.01282, 0.0, 1),
        'content_vgg16': (0.5994, 0.0, 1),
    },
    f'{_MEASURED} method.style_weight=1000000.0 method.num_steps=300': {
        'style_vgg16': (0.01106, 0.0, 1),
        'content_vgg16': (1.296, 0.0, 1),
    },
    f'{_MEASURED} method.style_weight=1000000.0 method.num_steps=1000': {
        'style_vgg16': (0.007416, 0.0, 1),
        'content_vgg16': (1.14, 0.0, 1),
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
    config.data.fit = 'stretch'
    config.method = ConfigDict()
    config.method.name = 'style'
    config.method.num_steps = 4 if arg.smoke else 500
    config.method.network = 'vgg16_random' if arg.smoke else 'vgg16'
    config.method.padding = 'zero'
    config.method.statistic = 'gram_absolute'
    config.method.content_weight = 1.0
    config.method.style_weight = 1e4
    config.method.initial = 'noise'
    config.method.optimizer = 'lbfgs'
    config.method.optimizer_options = ConfigDict({'memory_size': 10})
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
