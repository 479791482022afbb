"""Style transfer with PyTorch and with pystiche, for `benchmarks.style`.

  python -m benchmarks.torch_style --problem=P.npz --library=torch --evaluations=N --output=R.npz

It needs PyTorch and NumPy, and pystiche for --library=pystiche, but nothing from imggen, so that it
can run in its own environment. The problem file holds VGG16's convolutions, the images as float32
[1, height, width, 3] in [-1, 1] and the weights of the losses. Both libraries minimize the loss of
`configs/style_quality.py` at one scale:

  |F - P|^2 / |P|^2 + style weight * mean over layers of |S - S'|^2 / |S'|^2
"""

import argparse
import collections
import importlib
import json
import os
import resource
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

_WARMUP = 3  # Evaluations that are not timed, in which PyTorch chooses its kernels.
_STYLE_LAYERS = ('block1_conv1', 'block2_conv1', 'block3_conv1', 'block4_conv1')
_CONTENT_LAYER = 'block4_conv2'


def network(problem) -> dict[str, nn.Module]:
    """Returns VGG16's modules by name, up to the content layer, with a ReLU after each conv."""
    modules = {}
    for name in problem['layers']:
        block, part = name.split('_')
        if part.startswith('conv1') and block != 'block1':
            modules[f'pool before {block}'] = nn.MaxPool2d(2)
        kernel = torch.tensor(problem[f'{name}/kernel'].transpose(3, 2, 0, 1).copy())
        conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
        conv.weight.data, conv.bias.data = kernel, torch.tensor(problem[f'{name}/bias'])
        modules[f'{name} linear'] = conv
        modules[name] = nn.ReLU()
    for module in modules.values():
        module.requires_grad_(False)
    return modules


class Clock(NamedTuple):
    """Wall and CPU time in seconds; CPU time is steadier on a shared machine."""

    wall: float
    cpu: float


def clock() -> Clock:
    """Returns the current wall and CPU time."""
    return Clock(time.perf_counter(), time.process_time())


class Input(nn.Module):
    """Standardizes pixels in [-1, 1] for the first convolution."""

    def __init__(self, problem):
        super().__init__()
        for name in ('mean', 'std'):
            self.register_buffer(name, torch.tensor(problem[name])[None, :, None, None])

    def forward(self, images):
        return (images - self.mean) / self.std


def gram(features: torch.Tensor) -> torch.Tensor:
    """Returns the Gram matrix divided by the number of positions, [c, c]."""
    flat = features[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


def with_torch(
    problem,
    image: torch.Tensor,
    evaluations: int,
    *,
    evaluated: Callable[[], None] = lambda: None,
    compiled: bool = False,
) -> list[Clock]:
    """Runs PyTorch's L-BFGS with its line search; returns the clock after each evaluation.

    `evaluated` is called after each of them, too. With `compiled` torch.compile makes the network.
    """
    modules, prepare = network(problem), Input(problem)

    def activations(images):
        found, x = {}, prepare(images)
        for name, module in modules.items():
            x = module(x)
            found[name] = x
        return found

    activations = torch.compile(activations) if compiled else activations
    with torch.no_grad():
        content = activations(_tensor(problem['content']))[_CONTENT_LAYER]
        seen = activations(_tensor(problem['style']))
        styles = {name: gram(seen[name]) for name in _STYLE_LAYERS}
    image.requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [image],
        max_iter=10 * evaluations,
        max_eval=evaluations,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        history_size=int(problem['memory_size']),
        line_search_fn='strong_wolfe',
    )
    ends, best = [], [float('inf'), None]

    def closure():
        optimizer.zero_grad()
        found = activations(image)
        loss = (found[_CONTENT_LAYER] - content).square().sum() / content.square().sum()
        for name, target in styles.items():
            error = (gram(found[name]) - target).square().sum() / target.square().sum()
            loss = loss + float(problem['style_weight']) / len(styles) * error
        loss.backward()
        if len(ends) < evaluations and loss.item() < best[0]:
            best[:] = [loss.item(), image.detach().clone()]
        ends.append(clock())
        evaluated()
        return loss

    optimizer.step(closure)  # It completes its last line search, beyond `evaluations`.
    image.data = best[1]
    return ends[:evaluations]


def with_pystiche(problem, image: torch.Tensor, evaluations: int) -> list[Clock]:
    """Runs pystiche's loop and optimizer with its losses, weighted to equal ours."""
    # pystiche reads tables of URLs that torchvision no longer has.
    for name in ('alexnet', 'vgg'):
        module = importlib.import_module(f'torchvision.models.{name}')
        vars(module).setdefault('model_urls', collections.defaultdict(str))
    import pystiche
    from pystiche import enc, loss, optim

    modules = {'input': Input(problem), **network(problem)}
    encoder = enc.MultiLayerEncoder(list(modules.items()))
    content, style = _tensor(problem['content']), _tensor(problem['style'])

    def weight(name, image, reduce):
        with torch.no_grad():
            target = reduce(encoder.extract_encoder(name)(image))
        return target.numel() / float(target.square().sum())

    def style_loss(layer_encoder, layer_weight):
        return loss.GramLoss(layer_encoder, score_weight=layer_weight)

    normalized = lambda features: pystiche.gram_matrix(features, normalize=True)
    style_weight = float(problem['style_weight']) / len(_STYLE_LAYERS)
    criterion = loss.PerceptualLoss(
        loss.FeatureReconstructionLoss(
            encoder.extract_encoder(_CONTENT_LAYER),
            score_weight=weight(_CONTENT_LAYER, content, lambda features: features),
        ),
        loss.MultiLayerEncodingLoss(
            encoder,
            _STYLE_LAYERS,
            style_loss,
            layer_weights=[
                style_weight * weight(name, style, normalized) for name in _STYLE_LAYERS
            ],
        ),
    )
    criterion.set_content_image(content)
    criterion.set_style_image(style)
    ends = []

    class Timed(nn.Module):
        def forward(self, images):
            ends.append(clock())
            return criterion(images)

    optim.image_optimization(image, Timed(), num_steps=evaluations, quiet=True)
    return [*ends[1:], clock()]


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.tensor(image.transpose(0, 3, 1, 2).copy())


LIBRARIES = {'torch': with_torch, 'pystiche': with_pystiche}


def main() -> None:
    """Runs one library and prints its time and memory as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--problem', required=True)
    parser.add_argument('--library', choices=LIBRARIES, required=True)
    parser.add_argument('--evaluations', type=int, required=True)
    parser.add_argument('--output', required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    problem = dict(np.load(arguments.problem))
    image = _tensor(problem['content'])
    ends = LIBRARIES[arguments.library](problem, image, arguments.evaluations)
    np.savez(arguments.output, image=image.detach().numpy().transpose(0, 2, 3, 1))
    result = {
        'seconds': (ends[-1].wall - ends[_WARMUP - 1].wall) / (len(ends) - _WARMUP),
        'cpu_seconds': (ends[-1].cpu - ends[_WARMUP - 1].cpu) / (len(ends) - _WARMUP),
        'peak_mib': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        'version': f'PyTorch {torch.__version__}',
    }
    if arguments.library == 'pystiche':
        import pystiche

        result['version'] = f'pystiche {pystiche.__version__}'
    print(json.dumps(result))


if __name__ == '__main__':
    main()
