r"""Colorizes gray pictures from VGG16's features.

python -m experiments.train --config=configs/colorize.py --config.data.path=DIR --workdir=W
python -m experiments.translate --workdir=W --input=black_and_white/ --output=colored/

Pictures are learned whole, at 96 x 96; colors are joined with the lightness at full size.
Pictures without color are skipped. `--config.method.chroma_quantile=0.85` gives livelier colors.
8,000 pictures took 28 minutes of a busy machine. On 276 photographs LPIPS is 0.181, where gray has
0.237, and the colorfulness is 0.75 of the truth's (docs/translation.md).
"""

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, size=96)
    size = 16 if arg.smoke else arg.size
    larger = size + size // 8
    config = common.config(
        'colorize',
        total_images=16 if arg.smoke else 8000,
        data={
            'name': 'pairs',
            'path': '',
            'task': 'filter',
            'filter': 'gray',
            'require_color': True,
            'size': (larger, larger),
            'test_size': (size, size),
            'fit': 'crop',
            'test_fraction': 0.1,
            'batch_size': 4 if arg.smoke else 8,
            'augment': {'flip': True, 'crop': (size, size)},
        },
    )
    config.method.learning_rate = 1e-3
    if arg.smoke:
        config.method.layers = ('block1_conv1', 'block1_conv2')
        config.method.features = 8
    config.run = common.paired_run(arg)
    return config
