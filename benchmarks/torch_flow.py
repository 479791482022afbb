"""`imggen.networks.flow_unet` in PyTorch, for comparison. Image sizes must need no padding."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_FREQUENCIES = 32


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(8, channels), channels, eps=1e-6)


class Block(nn.Module):
    """x [n, channels, height, width] and embedding [n, d] -> [n, features, height, width]."""

    def __init__(self, channels: int, features: int, width: int):
        super().__init__()
        self.norms = nn.ModuleList([_norm(channels), _norm(features)])
        self.change = nn.Linear(width, 2 * features)
        self.convs = nn.ModuleList(
            [nn.Conv2d(channels, features, 3, 1, 1), nn.Conv2d(features, features, 3, 1, 1)]
        )
        self.skip = nn.Conv2d(channels, features, 1) if channels != features else nn.Identity()
        for layer in (self.change, self.convs[1]):
            nn.init.zeros_(layer.weight)

    def forward(self, x, embedding):
        y = self.convs[0](functional.silu(self.norms[0](x)))
        scale, shift = self.change(embedding)[:, :, None, None].chunk(2, 1)
        y = functional.silu(self.norms[1](y) * (1.0 + scale) + shift)
        return self.convs[1](y) + self.skip(x)


class FlowUNet(nn.Module):
    """Images [n, channels, height, width] and times [n] -> velocities of the same shape."""

    def __init__(self, channels: int, features: tuple[int, ...], *, heads: int = 4):
        super().__init__()
        width, last, self.heads = 4 * features[0], features[-1], heads
        self.embed = nn.ModuleList([nn.Linear(2 * _FREQUENCIES, width), nn.Linear(width, width)])
        self.first = nn.Conv2d(channels, features[0], 3, 1, 1)
        self.halve = nn.ModuleList(
            nn.Conv2d(a, b, 3, 2, 1) for a, b in itertools.pairwise(features)
        )
        self.down = nn.ModuleList(Block(each, each, width) for each in features)
        self.attention_norm = _norm(last)
        self.projections = nn.ModuleList(nn.Linear(last, last) for _ in range(4))
        self.up = nn.ModuleList(Block(2 * each, each, width) for each in reversed(features))
        self.enlarge = nn.ModuleList(
            nn.Conv2d(b, a, 3, 1, 1) for a, b in reversed(list(itertools.pairwise(features)))
        )
        self.last_norm, self.last = _norm(features[0]), nn.Conv2d(features[0], channels, 3, 1, 1)
        for layer in (self.projections[3], self.last):
            nn.init.zeros_(layer.weight)
        frequencies = 2.0 * math.pi * torch.exp(torch.linspace(0.0, math.log(100.0), _FREQUENCIES))
        self.register_buffer('frequencies', frequencies, persistent=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, images, time):
        angles = time[:, None] * self.frequencies
        embedding = self.embed[0](torch.cat([angles.cos(), angles.sin()], -1))
        embedding = functional.silu(self.embed[1](functional.silu(embedding)))
        x, kept = self.first(images), []
        for level, block in enumerate(self.down):
            x = block(self.halve[level - 1](x) if level else x, embedding)
            kept.append(x)
        x = x + self._attend(x)
        for level, block in enumerate(self.up):
            x = block(torch.cat([x, kept.pop()], 1), embedding)
            if level < len(self.enlarge):
                x = functional.interpolate(x, scale_factor=2, mode='bilinear')
                x = self.enlarge[level](x)
        return self.last(functional.silu(self.last_norm(x)))

    def _attend(self, x):
        n, channels, height, width = x.shape
        tokens = self.attention_norm(x).flatten(2).transpose(1, 2)
        parts = (
            layer(tokens).view(n, height * width, self.heads, -1).transpose(1, 2)
            for layer in self.projections[:3]
        )
        mixed = functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
        return self.projections[3](mixed).transpose(1, 2).reshape(n, channels, height, width)


def load(network: FlowUNet, params: Mapping[str, Any]) -> None:
    """Copies the parameters of the linen module."""
    attention = params['MultiHeadDotProductAttention_0']
    size = network.attention_norm.num_channels
    for layer, name in zip(network.projections, ('query', 'key', 'value', 'out'), strict=True):
        kernel = np.asarray(attention[name]['kernel']).reshape(size, size)
        _copy(layer, {'kernel': kernel, 'bias': np.asarray(attention[name]['bias']).reshape(-1)})
    layers = {
        'Dense': network.embed,
        'Conv': [network.first, *network.halve, *network.enlarge, network.last],
        'GroupNorm': [network.attention_norm, network.last_norm],
    }
    _copy_all(layers, params)
    for index, block in enumerate([*network.down, *network.up]):
        convs = [*block.convs, block.skip] if isinstance(block.skip, nn.Conv2d) else block.convs
        layers = {'Dense': [block.change], 'Conv': convs, 'GroupNorm': block.norms}
        _copy_all(layers, params[f'Block_{index}'])


def _copy_all(layers: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    for kind, members in layers.items():
        for index, layer in enumerate(members):
            _copy(layer, params[f'{kind}_{index}'])


def _copy(layer: nn.Module, values: Mapping[str, Any]) -> None:
    weight = np.asarray(values['scale'] if 'scale' in values else values['kernel'])
    axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[weight.ndim]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight.transpose(axes)))
        layer.bias.copy_(torch.tensor(np.asarray(values['bias'])))
