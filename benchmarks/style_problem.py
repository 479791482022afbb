"""The problem of style transfer that our side and PyTorch's solve."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from imggen import data
from imggen.features import vgg16
from imggen.method import Batch
from imggen.methods.style import networks


def data_section(content: str | pathlib.Path, style: str | pathlib.Path, size: int) -> dict:
    """Returns config.data for two pictures at `size` pixels."""
    return {'name': 'style', 'content': str(content), 'style': str(style), 'size': size}


def batch(section: Mapping[str, Any]) -> Batch:
    """Returns the pictures of a section, float32 [1, height, width, 3] in [-1, 1]."""
    return {name: np.asarray(leaf) for name, leaf in data.make(section, seed=0).batch(0).items()}


def write(path: pathlib.Path, pictures: Batch, *, style_weight: float, memory_size: int) -> None:
    """Writes the pictures, VGG16 and the options of `benchmarks.torch_style`."""
    params = networks.NETWORKS['vgg16'].load('', None)
    names = vgg16.CONVS[: vgg16.CONVS.index('block4_conv2') + 1]
    arrays = {f'{name}/{part}': params[name][part] for name in names for part in params[name]}
    np.savez(
        path,
        **arrays,
        **params['input'],
        layers=np.array(names),
        content=pictures['image'],
        style=pictures['style0'],
        style_weight=style_weight,
        memory_size=memory_size,
    )
