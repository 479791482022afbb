"""The networks perceptron, dcgan and residual of `imggen.networks` in PyTorch, for comparison.

They are written for speed: images are [n, channels, height, width] in the channels_last memory
format, 1x1 layers are convolutions, and changes of layout are views. Image sizes must need no
padding: base * 2^times, for example 28 = 7 * 4 and 32 = 4 * 8.

A network is built from the linen module that it reproduces, and `load` copies the parameters of
that module. Two differences do not affect a training step: the running variance of PyTorch is
unbiased and that of flax is biased; and the discriminator in PyTorch also updates its running
statistics in the update of the generator.
"""

import collections
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from imggen.networks import dcgan, perceptron, residual
from imggen.networks.blocks import halvings

_SLOPE = 0.2  # Of every leaky ReLU.


class Images(nn.Module):
    """Turns vectors [n, height * width * channels] into images: a view in channels_last."""

    def __init__(self, size: tuple[int, int], channels: int):
        super().__init__()
        self.shape = (*size, channels)

    def forward(self, x):
        return x.view(-1, *self.shape).permute(0, 3, 1, 2)


class Vectors(nn.Module):
    """The inverse of `Images`."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class Logits(nn.Linear):
    """Vectors [n, features] -> logits [n]."""

    def __init__(self, features: int, *, bias: bool):
        super().__init__(features, 1, bias)

    def forward(self, x):
        return super().forward(x)[:, 0]


class Maxout(nn.Module):
    """Vectors [n, features * pieces] -> the maximum over the pieces of each unit: [n, features]."""

    def __init__(self, pieces: int):
        super().__init__()
        self.pieces = pieces

    def forward(self, x):
        return x.view(len(x), -1, self.pieces).amax(-1)


class Pointwise(nn.Conv2d):
    """The same linear map at every pixel."""

    def __init__(self, channels: int, features: int, *, bias: bool = False):
        super().__init__(channels, features, 1, bias=bias)
        nn.init.normal_(self.weight, std=channels**-0.5)


class Upsample(nn.Module):
    """Doubles height and width with the filter [1, 3, 3, 1] / 4, which is bilinear."""

    def forward(self, x):
        return functional.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)


class Downsample(nn.Module):
    """Halves height and width with the filter [1, 3, 3, 1] / 8; the image repeats its edge."""

    def __init__(self, channels: int):
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8.0
        kernel = torch.outer(taps, taps).expand(channels, 1, 4, 4).contiguous()
        self.register_buffer('kernel', kernel, persistent=False)

    def forward(self, x):
        x = functional.pad(x, (1, 1, 1, 1), mode='replicate')
        return functional.conv2d(x, self.kernel, stride=2, groups=x.shape[1])


class ResidualBlock(nn.Module):
    """x + W3 a(b + G a(b + W1 x)): 1x1 expand, grouped 3x3, 1x1 contract, biases before `a`."""

    def __init__(self, features: int, like: residual.Generator | residual.Discriminator, depth):
        super().__init__()
        inner = features * like.expansion
        groups = max(1, inner // like.group_size) if like.group_size else 1
        self.layers = nn.Sequential(
            Pointwise(features, inner, bias=True),
            nn.LeakyReLU(_SLOPE, inplace=True),
            nn.Conv2d(inner, inner, 3, padding=1, groups=groups),
            nn.LeakyReLU(_SLOPE, inplace=True),
            Pointwise(inner, features),
        )
        variance = 2.0 / (1.0 + _SLOPE**2) / depth**0.5
        nn.init.normal_(self.layers[0].weight, std=(variance / features) ** 0.5)
        nn.init.normal_(self.layers[2].weight, std=(variance / (9 * inner // groups)) ** 0.5)
        for bias in (self.layers[0].bias, self.layers[2].bias, self.layers[4].weight):
            nn.init.zeros_(bias)

    def forward(self, x):
        return x + self.layers(x)


class ScaledBasis(nn.Module):
    """Latent [n, latent size] -> learned images [channels, height, width], scaled by the latent."""

    def __init__(self, latent_size: int, size: tuple[int, int], channels: int):
        super().__init__()
        self.basis = _basis(size, channels, std=1.0)
        self.scale = nn.Linear(latent_size, channels, bias=False)
        nn.init.normal_(self.scale.weight, std=latent_size**-0.5)

    def forward(self, latent):
        scaled = self.basis * self.scale(latent)[:, :, None, None]
        return scaled.contiguous(memory_format=torch.channels_last)


class SumOfBasis(nn.Module):
    """Images [n, channels, height, width] -> their products with learned images: [n, channels]."""

    def __init__(self, size: tuple[int, int], channels: int):
        super().__init__()
        self.basis = _basis(size, channels, std=math.prod(size) ** -0.5)

    def forward(self, x):
        return (x * self.basis).sum((2, 3))


def _basis(size: tuple[int, int], channels: int, *, std: float) -> nn.Parameter:
    basis = std * torch.randn(1, channels, *size)
    return nn.Parameter(basis.contiguous(memory_format=torch.channels_last))


def _dcgan_init(layer: nn.Module) -> None:
    if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, std=0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def perceptron_generator(like: perceptron.Generator, latent_size: int) -> nn.Module:
    """Latent [n, latent size] -> images [n, channels, height, width]."""
    layers, before = [], latent_size
    for width in like.features:
        layers += [nn.Linear(before, width), nn.ReLU(inplace=True)]
        before = width
    layers += [nn.Linear(before, math.prod(like.shape)), nn.Tanh()]
    return _finished(*layers, Images(like.shape[:2], like.shape[2])).apply(_perceptron_init)


def perceptron_discriminator(
    like: perceptron.Discriminator, shape: tuple[int, int, int]
) -> nn.Module:
    """Images [n, channels, height, width] -> logits [n]; `shape` has the channels last."""
    layers, before = [Vectors()], math.prod(shape)
    for width in like.features:
        layers += [nn.Linear(before, width * like.pieces), Maxout(like.pieces)]
        before = width
    return _finished(*layers, Logits(before, bias=True)).apply(_perceptron_init)


def _perceptron_init(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)


def dcgan_generator(like: dcgan.Generator, latent_size: int) -> nn.Module:
    """Latent [n, latent size] -> images [n, channels, height, width]."""
    times, base = _halvings(like.shape)
    widths = [min(like.features * 2**level, like.max_features) for level in range(times)][::-1]
    linear = nn.Linear(latent_size, math.prod(base) * widths[0], bias=False)
    layers = [linear, Images(base, widths[0])]
    for level, width in enumerate(widths):
        layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        nn.init.normal_(layers[-2].weight, mean=1.0, std=0.02)
        last = level == times - 1
        following = like.shape[2] if last else widths[level + 1]
        layers.append(nn.ConvTranspose2d(width, following, 4, 2, 1, bias=last))
    return _finished(*layers, nn.Tanh()).apply(_dcgan_init)


def dcgan_discriminator(like: dcgan.Discriminator, shape: tuple[int, int, int]) -> nn.Module:
    """Images [n, channels, height, width] -> logits [n]; `shape` has the channels last."""
    times, base = _halvings(shape)
    layers, channels = [], shape[2]
    for level in range(times):
        width = min(like.features * 2**level, like.max_features)
        normalize = like.normalize and level > 0
        layers.append(nn.Conv2d(channels, width, 4, 2, 1, bias=not normalize))
        layers += [nn.BatchNorm2d(width)] if normalize else []
        layers.append(nn.LeakyReLU(_SLOPE, inplace=True))
        channels = width
    layers += [Vectors(), Logits(math.prod(base) * channels, bias=True)]
    return _finished(*layers).apply(_dcgan_init)


def residual_generator(like: residual.Generator, latent_size: int) -> nn.Module:
    """Latent [n, latent size] -> images [n, channels, height, width]."""
    times, base = _halvings(like.shape)
    widths = residual.stage_widths(like.features, times + 1)
    layers = [ScaledBasis(latent_size, base, widths[0])]
    for level, width in enumerate(widths):
        if level:
            before = widths[level - 1]
            layers += [Pointwise(before, width)] if width != before else []
            layers.append(Upsample())
        depth = like.blocks * len(widths)
        layers += [ResidualBlock(width, like, depth) for _ in range(like.blocks)]
    return _finished(*layers, Pointwise(widths[-1], like.shape[2]))


def residual_discriminator(like: residual.Discriminator, shape: tuple[int, int, int]) -> nn.Module:
    """Images [n, channels, height, width] -> logits [n]; `shape` has the channels last."""
    times, base = _halvings(shape)
    widths = residual.stage_widths(like.features, times + 1)
    layers = [Pointwise(shape[2], widths[-1])]
    for level in range(times, -1, -1):
        depth = like.blocks * len(widths)
        layers += [ResidualBlock(widths[level], like, depth) for _ in range(like.blocks)]
        if level:
            width, following = widths[level], widths[level - 1]
            layers.append(Downsample(width))
            layers += [Pointwise(width, following)] if width != following else []
    layers += [SumOfBasis(base, widths[0]), Logits(widths[0], bias=False)]
    nn.init.normal_(layers[-1].weight, std=widths[0] ** -0.5)
    return _finished(*layers)


def _halvings(shape: tuple[int, int, int]) -> tuple[int, tuple[int, int]]:
    times, base = halvings(shape[:2])
    if tuple(side * 2**times for side in base) != tuple(shape[:2]):
        raise ValueError(f'Images of {shape} need padding, which these networks do not have.')
    return times, base


def _finished(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


NETWORKS = {
    'perceptron': (perceptron_generator, perceptron_discriminator),
    'dcgan': (dcgan_generator, dcgan_discriminator),
    'residual': (residual_generator, residual_discriminator),
}

# The names that flax gives to a layer and its `weight`, and the axes of the weight in our order.
_LAYERS = {
    nn.BatchNorm2d: ('BatchNorm', 'scale', (0,)),
    nn.ConvTranspose2d: ('ConvTranspose', 'kernel', (3, 2, 0, 1)),
    nn.Conv2d: ('Conv', 'kernel', (3, 2, 0, 1)),
    nn.Linear: ('Dense', 'kernel', (1, 0)),
}


def load(network: nn.Sequential, params: Mapping[str, Any]) -> None:
    """Copies parameters of the linen module; flax numbers layers of a kind in call order."""
    numbers = collections.Counter()

    def number(name: str) -> str:
        numbers[name] += 1
        return f'{name}_{numbers[name] - 1}'

    for layer in network:
        if isinstance(layer, ResidualBlock):
            load(layer.layers, params[number('ResidualBlock')])
            continue
        if isinstance(layer, (ScaledBasis, SumOfBasis)):
            _copy(layer.basis, params['basis'], (0, 3, 1, 2))
            layer = getattr(layer, 'scale', layer)
        for kind, (name, weight, axes) in _LAYERS.items():
            if isinstance(layer, kind):
                values = params[number(name)]
                _copy(layer.weight, values[weight], axes)
                if layer.bias is not None:
                    _copy(layer.bias, values['bias'], (0,))


def _copy(parameter: torch.Tensor, value: np.ndarray, axes: tuple[int, ...]) -> None:
    with torch.no_grad():
        parameter.copy_(torch.tensor(np.transpose(value, axes)))
