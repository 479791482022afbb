"""The training step of `imggen.methods.translation.pix2pix` in PyTorch, for comparison.

It is written for speed: channels_last, one translation for both updates, the discriminator frozen
in the update of the generator, and fused Adam. Its networks are those of `imggen.networks.unet` and
`imggen.networks.patchgan`; `load` copies their parameters.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import get_total_norm

_WIDEST = 8


class UNet(nn.Module):
    """[n, inputs, height, width] -> [n, outputs, height, width] in [-1, 1]."""

    def __init__(self, inputs: int, outputs: int, *, features: int, depth: int, dropout: float):
        super().__init__()
        widths = [features * min(2**level, _WIDEST) for level in range(depth)]
        self.dropout = dropout
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.down_norm, self.up_norm = nn.ModuleDict(), nn.ModuleDict()
        for level in range(depth):
            before = widths[level - 1] if level else inputs
            self.down.append(nn.Conv2d(before, widths[level], 4, 2, 1, bias=False))
            after = widths[level - 1] if level else outputs
            before = widths[level] * (1 if level == depth - 1 else 2)
            self.up.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=level == 0))
            if 0 < level < depth - 1:
                self.down_norm[str(level)] = nn.BatchNorm2d(widths[level])
            if level:
                self.up_norm[str(level)] = nn.BatchNorm2d(after)

    def forward(self, x):
        depth, levels = len(self.down), []
        for level, conv in enumerate(self.down):
            x = conv(functional.leaky_relu(x, 0.2) if level else x)
            if str(level) in self.down_norm:
                x = self.down_norm[str(level)](x)
            levels.append(x)
        x = levels.pop()
        for level in reversed(range(1, depth)):
            x = self.up_norm[str(level)](self.up[level](functional.relu(x)))
            if level >= depth - 3:
                x = functional.dropout(x, self.dropout)
            x = torch.cat([x, levels.pop()], 1)
        return torch.tanh(self.up[0](functional.relu(x)))


class PatchGAN(nn.Sequential):
    """[n, inputs, height, width] -> logits [n, 1, rows, columns]."""

    def __init__(self, inputs: int, *, features: int, layers: int = 3):
        parts, before = [], inputs
        for layer in range(layers + 1):
            after = features * min(2**layer, _WIDEST)
            stride = 2 if layer < layers else 1
            parts.append(nn.Conv2d(before, after, 4, stride, 1, bias=layer == 0))
            parts += [nn.BatchNorm2d(after)] if layer else []
            parts.append(nn.LeakyReLU(0.2))
            before = after
        super().__init__(*parts, nn.Conv2d(before, 1, 4, 1, 1))


class Trainer:
    """Both networks with their optimizers; the non-saturating loss and L1."""

    def __init__(self, *, inputs: int, outputs: int, features: int, depth: int, dropout: float):
        self.generator = UNet(inputs, outputs, features=features, depth=depth, dropout=dropout)
        self.discriminator = PatchGAN(inputs + outputs, features=features)
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)
            for module in network.modules():
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                    nn.init.normal_(module.weight, std=0.02)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
            for network in (self.generator, self.discriminator)
        ]

    def step(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        """Updates both networks on inputs x and targets y, channels_last; returns metrics."""
        fake = self.generator(x)
        real_logits = self.discriminator(torch.cat([x, y], 1))
        fake_logits = self.discriminator(torch.cat([x, fake.detach()], 1))
        loss = functional.softplus(-real_logits).mean() + functional.softplus(fake_logits).mean()
        metrics = {'discriminator_loss': loss, 'l1': (y - fake).abs().mean()}
        metrics['discriminator_gradient'] = self._update(loss, 1)
        self.discriminator.requires_grad_(False)
        logits = self.discriminator(torch.cat([x, fake], 1))
        metrics['generator_loss'] = functional.softplus(-logits).mean()
        loss = metrics['generator_loss'] + 100.0 * (y - fake).abs().mean()
        metrics['generator_gradient'] = self._update(loss, 0)
        self.discriminator.requires_grad_(True)
        return {name: value.detach() for name, value in metrics.items()}

    def _update(self, loss, index: int) -> torch.Tensor:
        optimizer = self.optimizers[index]
        optimizer.zero_grad()
        loss.backward()
        gradients = [p.grad for group in optimizer.param_groups for p in group['params']]
        norm = get_total_norm(gradients)
        optimizer.step()
        return norm


def load(trainer: Trainer, generator: Mapping, discriminator: Mapping) -> None:
    """Copies the parameters of our generator and discriminator, nested dicts of arrays."""

    def put(parameter, value):
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.array(value)))

    def put_norm(module, layer):
        put(module.weight, layer['scale'])
        put(module.bias, layer['bias'])

    network = trainer.generator
    for level, (down, up) in enumerate(zip(network.down, network.up, strict=True)):
        put(down.weight, np.asarray(generator[f'down{level}']['kernel']).transpose(3, 2, 0, 1))
        put(up.weight, np.asarray(generator[f'up{level}']['kernel']).transpose(3, 2, 0, 1))
    put(network.up[0].bias, generator['up0']['bias'])
    for side in ('down', 'up'):
        for level, module in getattr(network, f'{side}_norm').items():
            put_norm(module, generator[f'{side}{level}_norm'])
    convs = [module for module in trainer.discriminator if isinstance(module, nn.Conv2d)]
    for index, module in enumerate(convs):
        layer = discriminator[f'Conv_{index}']
        put(module.weight, np.asarray(layer['kernel']).transpose(3, 2, 0, 1))
        if module.bias is not None:
            put(module.bias, layer['bias'])
    norms = [module for module in trainer.discriminator if isinstance(module, nn.BatchNorm2d)]
    for index, module in enumerate(norms):
        put_norm(module, discriminator[f'Normalize_{index}'])
