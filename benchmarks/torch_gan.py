"""The training step of `imggen.methods.adversarial.gan` in PyTorch, for comparison.

It is written for speed: channels_last, the data set resident as uint8, images generated once for
both updates, the discriminator frozen in the update of the generator, and fused Adam. It computes
what the JAX step does: losses, penalties, both updates, the averaged generator and the same
metrics, which are read equally rarely.
"""

import contextlib
import copy
import math
from collections.abc import Iterator

import torch
from torch.nn import functional
from torch.nn.utils import get_total_norm

from benchmarks import torch_networks
from imggen.methods.adversarial.gan import NETWORKS, Config

# Real logits [n] and fake logits [n] -> losses [n], of the discriminator and the generator.
LOSSES = {
    'nonsaturating': (
        lambda real, fake: functional.softplus(-real) + functional.softplus(fake),
        lambda real, fake: functional.softplus(-fake),
    ),
    'relativistic': (
        lambda real, fake: functional.softplus(fake - real),
        lambda real, fake: functional.softplus(real - fake),
    ),
}


class Trainer:
    """Both networks, their optimizers and the averaged generator.

    Args:
      config: options of the method, where `loss` is one of LOSSES.
      shape: (height, width, channels) of the images.
    """

    def __init__(self, config: Config, shape: tuple[int, int, int]):
        self.config = config
        self.step_number = 0
        generator, discriminator = NETWORKS[config.network]
        networks = torch_networks.NETWORKS[config.network]
        like = generator(shape=shape, **config.generator)
        self.generator = networks[0](like, config.latent_size)
        self.discriminator = networks[1](discriminator(**config.discriminator), shape)
        self.ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), fused=True)
            for network in (self.generator, self.discriminator)
        ]

    def train(self, images: torch.Tensor, batch_size: int) -> dict[str, torch.Tensor]:
        """Makes one step on a random batch of images, uint8 [n, height, width, channels]."""
        device = images.device
        rows = torch.randint(len(images), (batch_size,), device=device)
        real = (images[rows].permute(0, 3, 1, 2).float() * 2.0 - 255.0) / 255.0
        return self.step(real, torch.randn(batch_size, self.config.latent_size, device=device))

    def step(self, real: torch.Tensor, latent: torch.Tensor) -> dict[str, torch.Tensor]:
        """Updates both networks and the averaged generator.

        Args:
          real: [n, channels, height, width] in [-1, 1], channels_last.
          latent: [n, latent size].

        Returns:
          The metrics of the step, scalars.
        """
        self._follow_schedules()
        fake = self.generator(latent)
        loss, metrics = self.discriminator_loss(real, fake.detach())
        metrics['discriminator_gradient'] = self._update(loss, self.discriminator)
        with _frozen(self.discriminator):
            loss = self._generator_loss(real, fake)
            metrics['generator_gradient'] = self._update(loss, self.generator)
        metrics['generator_loss'] = loss.detach()
        self.step_number += 1
        self._update_ema(len(real))
        return metrics

    def discriminator_loss(self, real, fake) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Returns the loss with its penalties, and metrics."""
        config = self.config
        real_logits, r1 = self._penalized(real, config.r1_gamma)
        fake_logits, r2 = self._penalized(fake, config.r2_gamma)
        loss = LOSSES[config.loss][0](real_logits, fake_logits).mean()
        metrics = {'discriminator_loss': loss}
        metrics |= {'real_logit': real_logits.mean(), 'fake_logit': fake_logits.mean()}
        metrics |= {'r1': r1.mean()} if config.r1_gamma else {}
        metrics |= {'r2': r2.mean()} if config.r2_gamma else {}
        return loss + r1.mean() + r2.mean(), {name: v.detach() for name, v in metrics.items()}

    def _penalized(self, images, gamma: float):
        """Returns logits [n] and gamma / 2 ||gradient||^2 of each image [n]."""
        if gamma == 0:
            logits = self.discriminator(images)
            return logits, torch.zeros_like(logits)
        images = images.detach().requires_grad_()
        logits = self.discriminator(images)
        (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        scale = _cosine(1.0, self.config.gamma_end, self.step_number / self.config.num_steps)
        return logits, gamma / 2.0 * scale * gradients.square().sum((1, 2, 3))

    def _generator_loss(self, real, fake):
        real_logits = None
        if self.config.loss == 'relativistic':
            with torch.no_grad():
                real_logits = self.discriminator(real)
        return LOSSES[self.config.loss][1](real_logits, self.discriminator(fake)).mean()

    def _update(self, loss, network: torch.nn.Module) -> torch.Tensor:
        """Makes one step of the optimizer of a network; returns the norm of the gradient."""
        optimizer = self.optimizers[0 if network is self.generator else 1]
        optimizer.zero_grad()
        loss.backward()
        norm = get_total_norm([parameter.grad for parameter in network.parameters()])
        optimizer.step()
        return norm

    def _follow_schedules(self) -> None:
        config, t = self.config, self.step_number / self.config.num_steps
        end = config.learning_rate * config.learning_rate_end
        b2 = config.b2 if config.b2_end is None else _cosine(config.b2, config.b2_end, t)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group['lr'] = _cosine(config.learning_rate, end, t)
                group['betas'] = (config.b1, b2)

    def _update_ema(self, batch_size: int) -> None:
        images_seen = self.step_number * batch_size
        half_life = min(self.config.ema_half_life_images, 0.05 * images_seen)
        decay = 0.5 ** (batch_size / half_life)
        with torch.no_grad():
            torch._foreach_lerp_(floats(self.ema), floats(self.generator), 1.0 - decay)


@contextlib.contextmanager
def _frozen(network: torch.nn.Module) -> Iterator[None]:
    """Prevents backward passes from computing gradients of the parameters."""
    network.requires_grad_(False)
    yield
    network.requires_grad_(True)


def floats(network: torch.nn.Module) -> list[torch.Tensor]:
    """Returns parameters and running statistics, without the counters of batches."""
    return [*network.parameters(), *(b for b in network.buffers() if b.is_floating_point())]


def _cosine(start: float, end: float, t: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * t)) / 2.0
