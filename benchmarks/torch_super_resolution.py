"""`imggen.networks.super_resolution`, upsampling 'direct', in PyTorch, for comparison."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class SuperResolution(nn.Module):
    """Images [n, channels, height, width] -> [n, channels, scale * height, scale * width]."""

    def __init__(self, *, channels: int, scale: int, features: int, blocks: int):
        super().__init__()
        self.scale = scale
        widths = [channels, *[features] * (1 + 2 * blocks)]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, 1, 1) for a, b in itertools.pairwise(widths))
        self.last = nn.Conv2d(features, channels * scale**2, 3, 1, 1)
        nn.init.zeros_(self.last.weight)
        self.to(memory_format=torch.channels_last)

    def forward(self, images):
        first = functional.relu(self.convs[0](images))
        x = first
        for one, two in zip(self.convs[1::2], self.convs[2::2], strict=True):
            x = x + two(functional.relu(one(x)))
        x = functional.pixel_shuffle(self.last(x + first), self.scale)
        return resize(images, self.scale) + x


def resize(images: torch.Tensor, scale: float) -> torch.Tensor:
    """Resizes by the cubic kernel with a = -1/2, which PyTorch uses with antialiasing."""
    how = {'mode': 'bicubic', 'antialias': True, 'align_corners': False}
    return functional.interpolate(images, scale_factor=scale, **how)


def downscale(images: torch.Tensor, scale: int) -> torch.Tensor:
    """Divides height and width of images in [-1, 1], rounded to 8 bits."""
    small = torch.round(resize(images, 1 / scale) * 127.5 + 127.5).clamp(0.0, 255.0)
    return (small * 2.0 - 255.0) / 255.0


def load(network: SuperResolution, params: Mapping[str, Any]) -> None:
    """Copies the parameters of the linen module."""
    for index, layer in enumerate([*network.convs, network.last]):
        kernel, bias = (np.asarray(params[f'Conv_{index}'][part]) for part in ('kernel', 'bias'))
        if layer is network.last:  # Ours orders the features of a pixel by row, column, channel.
            kernel, bias = (
                part.reshape(*part.shape[:-1], network.scale**2, -1).swapaxes(-1, -2)
                for part in (kernel, bias)
            )
            kernel, bias = kernel.reshape(*kernel.shape[:-2], -1), bias.reshape(-1)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(kernel.transpose(3, 2, 0, 1)))
            layer.bias.copy_(torch.tensor(bias))
