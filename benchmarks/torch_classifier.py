"""`imggen.networks.classifier`, EfficientNet-Lite0 and hill climbing in PyTorch, for comparison."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Classifier(nn.Sequential):
    """Images [n, 1, height, width] -> logits [n, 10]."""

    def __init__(self, stages: tuple[int, ...] = (32, 32, 64), convolutions: int = 2):
        layers, before = [], 1
        for stage, width in enumerate(stages):
            layers += [nn.MaxPool2d(2)] if stage else []
            for _ in range(convolutions):
                layers.append(nn.Conv2d(before, width, 3, padding=1, bias=False))
                layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                before = width
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))
        self.to(memory_format=torch.channels_last)


def load(network: Classifier, variables: Mapping[str, Any]) -> None:
    """Copies the parameters and the statistics of the linen module."""
    params, statistics = variables['params'], variables['batch_stats']

    def put(tensor, value):
        with torch.no_grad():
            tensor.copy_(torch.tensor(np.asarray(value)))

    convs = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    norms = [layer for layer in network if isinstance(layer, nn.BatchNorm2d)]
    for index, (conv, norm) in enumerate(zip(convs, norms, strict=True)):
        put(conv.weight, np.asarray(params[f'Conv_{index}']['kernel']).transpose(3, 2, 0, 1))
        put(norm.weight, params[f'BatchNorm_{index}']['scale'])
        put(norm.bias, params[f'BatchNorm_{index}']['bias'])
        put(norm.running_mean, statistics[f'BatchNorm_{index}']['mean'])
        put(norm.running_var, statistics[f'BatchNorm_{index}']['var'])
    put(network[-1].weight, np.asarray(params['Dense_0']['kernel']).T)
    put(network[-1].bias, params['Dense_0']['bias'])


class Lite0(nn.Module):
    """Images [n, 3, height, width] in [-1, 1] -> logits [n, 1000].

    Args:
      params: of `imggen.features.lite0`, with batch normalization folded in.
      strides: the stride of each block.
    """

    def __init__(self, params: Mapping[str, Any], strides: tuple[int, ...]):
        super().__init__()
        self.strides = strides
        self.layers = nn.ModuleDict()
        for name, layer in params.items():
            if name in ('input', 'classifier'):
                continue
            kernel = torch.tensor(np.asarray(layer['kernel']).transpose(3, 2, 0, 1))
            groups = len(kernel) if name.endswith('.depthwise') else 1
            conv = nn.Conv2d(kernel.shape[1] * groups, len(kernel), kernel.shape[2], groups=groups)
            conv.weight.data, conv.bias.data = kernel, torch.tensor(np.asarray(layer['bias']))
            self.layers[name.replace('.', '_')] = conv
        self.mean, self.std = (
            torch.tensor(np.asarray(params['input'][part]))[:, None, None]
            for part in ('mean', 'std')
        )
        self.classifier = nn.Linear(*params['classifier']['kernel'].shape)
        self.classifier.weight.data = torch.tensor(np.asarray(params['classifier']['kernel']).T)
        self.classifier.bias.data = torch.tensor(np.asarray(params['classifier']['bias']))
        self.to(memory_format=torch.channels_last)

    def forward(self, images):
        x = functional.relu6(self._conv('stem', (images - self.mean) / self.std, 2))
        for index, stride in enumerate(self.strides):
            y = x
            if f'block{index}_expand' in self.layers:
                y = functional.relu6(self._conv(f'block{index}_expand', y))
            y = functional.relu6(self._conv(f'block{index}_depthwise', y, stride))
            y = self._conv(f'block{index}_project', y)
            x = x + y if x.shape == y.shape else y
        return self.classifier(functional.relu6(self._conv('head', x)).mean((2, 3)))

    def _conv(self, name, x, stride=1):
        """Convolves with TensorFlow's padding 'SAME', which has more below and on the right."""
        layer = self.layers[name]
        sizes = zip(x.shape[:1:-1], layer.kernel_size, strict=True)
        total = [
            max(0, (-(-size // stride) - 1) * stride + kernel - size) for size, kernel in sizes
        ]
        x = functional.pad(x, [pad for t in total for pad in (t // 2, t - t // 2)])
        return functional.conv2d(x, layer.weight, layer.bias, stride, groups=layer.groups)


class Climb:
    """Images; changes of 1 to 20 random pixels are kept if the class gets no less probable.

    Args:
      logits: images [n, channels, height, width] -> logits [n, classes].
      shape: (n, height, width, channels).
      target: the class.

    Attributes:
      values: the log-odds of the class, [n].
    """

    def __init__(self, logits: Callable, shape: tuple[int, ...], target: int):
        self._logits, self._shape, self._target = logits, shape, target
        self._images = torch.rand(shape[0], int(np.prod(shape[1:]))) * 2.0 - 1.0
        self.values = self._ask(self._images)

    def _ask(self, images):
        images = images.view(self._shape).permute(0, 3, 1, 2)
        logits = self._logits(images)
        target = logits[:, self._target]
        others = logits.clone()
        others[:, self._target] = -torch.inf
        return target - others.logsumexp(1)  # The log-odds.

    @torch.no_grad()
    def step(self, most: int = 20) -> None:
        """Tries one change of each image."""
        (n, size), on = self._images.shape, {'device': self._images.device}
        # Places beyond the drawn number repeat the first one, with its value.
        used = torch.arange(most, **on) < torch.randint(1, most + 1, (n, 1), **on)
        places, values = torch.randint(size, (n, most), **on), torch.rand(n, most, **on) * 2.0 - 1.0
        places = torch.where(used, places, places[:, :1])
        values = torch.where(used, values, values[:, :1])
        changed = self._images.scatter(1, places, values)
        found = self._ask(changed)
        kept = found >= self.values
        self._images = torch.where(kept[:, None], changed, self._images)
        self.values = torch.where(kept, found, self.values)
