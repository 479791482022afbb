"""What both sides of a row work on."""

import pathlib

import numpy as np
from PIL import Image

STYLE_LAYERS = ('block1_conv1', 'block2_conv1', 'block3_conv1', 'block4_conv1')
CONTENT_LAYER = 'block4_conv2'


def noise(count: int, *shape: int) -> np.ndarray:
    """Returns uint8 [count, *shape], the same on every side."""
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def content_and_style(size: int) -> np.ndarray:
    """Returns two pictures of noise, uint8 [2, 3/4 size, size, 3]."""
    return noise(2, size * 3 // 4, size, 3)


def write_pictures(folder: pathlib.Path, count: int) -> None:
    """Writes smooth JPEG files of 640 x 480 into the sub-folder of one class."""
    (folder / 'class').mkdir(parents=True)
    for index, image in enumerate(noise(count, 12, 16, 3)):
        large = Image.fromarray(image).resize((640, 480), Image.Resampling.BICUBIC)
        large.save(folder / 'class' / f'{index:05}.jpg', quality=90)


def feature_sets(count: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns two sets of rectified normal features, float32 [count, dim]; one is shifted."""
    rng = np.random.default_rng(0)
    draw = lambda shift: rng.standard_normal((count, dim), np.float32) + np.float32(shift)
    return tuple(np.maximum(draw(shift), 0.0) for shift in (0.3, 0.35))
