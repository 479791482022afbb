"""PyTorch's sides of the table: eager in channels_last, or with `compiled` by torch.compile.

They run on a GPU if PyTorch finds one; with bfloat16 the networks run under autocast.
tests/benchmarks compares what they compute with what ours compute.
"""

import contextlib
import copy
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch._functorch.config
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks import (
    rows,
    torch_classifier,
    torch_flow,
    torch_gan,
    torch_networks,
    torch_pix2pix,
    torch_style,
    torch_super_resolution,
)
from benchmarks.problems import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    content_and_style,
    feature_sets,
    noise,
    write_pictures,
)
from benchmarks.sides import Turns
from imggen import options
from imggen.features import fashion_classifier, lite0
from imggen.features import vgg16 as vgg16_features
from imggen.methods.adversarial import gan as gan_method

_DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
LITE0_STRIDES = tuple(stride for stride, _ in lite0._BLOCKS)


def gan(
    turns: Turns, *, config: str, argument: str | None, shape, steps: int, compiled: bool = False
) -> None:
    """Trains a GAN on noise."""
    section = rows.section(config, argument)
    del section['name']
    _begin(turns)
    if compiled:  # Penalties differentiate gradients, whose buffers must stay.
        torch._functorch.config.donated_buffer = False
    config = options.build(gan_method.Config, section, where='config.method')
    trainer = torch_gan.Trainer(config, tuple(shape))
    images = torch.tensor(noise(4096, *shape))
    networks = (trainer.generator, trainer.discriminator)
    _train(turns, lambda: trainer.train(images, 64), steps, networks, compiled)


def pix2pix(turns: Turns, *, size: int, features: int, steps: int, compiled: bool = False) -> None:
    """Trains the published networks on pairs of noise, one at a time."""
    _begin(turns)
    depth = min(size.bit_length() - 1, 8)
    trainer = torch_pix2pix.Trainer(
        inputs=3, outputs=3, features=features, depth=depth, dropout=0.5
    )
    images = torch.tensor(noise(32, size, size, 6))

    def train():
        both = _batch(images, 1).split(3, 1)
        return trainer.step(*(side.contiguous(memory_format=torch.channels_last) for side in both))

    _train(turns, train, steps, (trainer.generator, trainer.discriminator), compiled)


def super_resolution(turns: Turns, *, size: int, steps: int, compiled: bool = False) -> None:
    """Trains the first phase on noise."""
    section = rows.section('super_resolution_x4')
    scale, shape = section['scale'], section['network']
    _begin(turns)
    network = torch_super_resolution.SuperResolution(
        channels=3, scale=scale, features=shape['features'], blocks=shape['blocks']
    )
    images = torch.tensor(noise(64, size, size, 3))

    def loss():
        target = _batch(images, 16)
        small = torch_super_resolution.downscale(target, scale)
        return (network(small) - target).abs().mean()

    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.9, 0.99), fused=True)
    _train(turns, _Averaged(network, optimizer, loss).step, steps, (network,), compiled)


def flow(turns: Turns, *, features, steps: int, compiled: bool = False) -> None:
    """Trains a flow on noise."""
    _begin(turns)
    network = torch_flow.FlowUNet(1, tuple(features))
    images = torch.tensor(noise(4096, 28, 28, 1))

    def loss():
        image = _batch(images, 64)
        start, time = torch.randn_like(image), torch.rand(len(image), device=image.device)
        t = time[:, None, None, None]
        velocity = network((1.0 - t) * start + t * image, time)
        return (velocity - (image - start)).square().mean()

    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, fused=True)
    averaged = _Averaged(network, optimizer, loss, clip_norm=1.0)
    _train(turns, averaged.step, steps, (network,), compiled)


def classifier(turns: Turns, *, steps: int, compiled: bool = False) -> None:
    """Trains the classifier on noise with labels."""
    _begin(turns)
    network = torch_classifier.Classifier()
    images = torch.tensor(noise(4096, 28, 28, 1))
    labels = (images[:, 0, 0, 0] % 10).long()

    def loss():
        places = torch.randint(len(images), (128,), device=images.device)
        logits = network(_scaled(images[places]))
        return functional.cross_entropy(logits, labels[places], label_smoothing=0.05)

    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.05, fused=True)
    _train(turns, _Averaged(network, optimizer, loss).step, steps, (network,), compiled)


class _Averaged:
    """A network that is trained by one loss, its optimizer and its moving average."""

    def __init__(self, network, optimizer, loss: Callable, *, clip_norm: float | None = None):
        self._network, self._optimizer, self._loss = network, optimizer, loss
        self._clip_norm = torch.inf if clip_norm is None else clip_norm
        self._ema = copy.deepcopy(network).requires_grad_(False)

    def step(self) -> dict[str, torch.Tensor]:
        loss = self._loss()
        self._optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self._network.parameters(), self._clip_norm)
        self._optimizer.step()
        with torch.no_grad():
            pair = (torch_gan.floats(self._ema), torch_gan.floats(self._network))
            torch._foreach_lerp_(*pair, 0.01)
        return {'loss': loss.detach(), 'gradient': norm}


def evolution(
    turns: Turns, *, classifier: str, chains: int, steps: int, compiled: bool = False
) -> None:
    """Climbs from noise to one class."""
    _begin(turns)
    if classifier == 'lite0':
        network = torch_classifier.Lite0(lite0.pretrained(), LITE0_STRIDES)
        shape, target = (chains, 224, 224, 3), lite0.class_names().index('volcano')
    else:
        network = torch_classifier.Classifier()
        torch_classifier.load(network, fashion_classifier.load(fashion_classifier.WEIGHTS))
        shape, target = (chains, 28, 28, 1), 2
    network.eval().requires_grad_(False)
    if compiled:
        network.compile()
    climb = torch_classifier.Climb(network, shape, target)
    _repeat(turns, climb.step, steps, compiled)


def vgg16(turns: Turns, *, size: int, steps: int, compiled: bool = False) -> None:
    """Evaluates the loss of `style_loss` and its gradient."""
    _begin(turns)
    modules = vgg16_modules()
    image = (torch.rand(1, 3, size, size) * 2.0 - 1.0).to(memory_format=torch.channels_last)
    image.requires_grad_(True)
    loss = lambda image: style_loss(modules, image)
    loss = torch.compile(loss) if compiled else loss

    def step():
        image.grad = None
        with torch.autocast(_DEVICE, torch.bfloat16, enabled=turns.precision == 'bfloat16'):
            value = loss(image)
        value.backward()

    _repeat(turns, step, steps, compiled)


def style_loss(modules: Mapping[str, nn.Module], image: torch.Tensor) -> torch.Tensor:
    """Returns mean F^2 of the content layer + the sum over style layers of |G|^2, a scalar."""
    x, loss = image, 0.0
    for name, module in modules.items():
        x = module(x)
        if name in STYLE_LAYERS:
            loss = loss + torch_style.gram(x).square().sum()
        if name == CONTENT_LAYER:
            loss = loss + x.square().mean()
    return loss


def vgg16_modules() -> dict[str, nn.Module]:
    """Returns VGG16's modules by name, in their order."""
    problem = vgg16_problem()
    return {'input': torch_style.Input(problem), **torch_style.network(problem)}


def vgg16_problem() -> dict[str, np.ndarray]:
    """Returns VGG16 up to the content layer, as `torch_style` takes it."""
    params, names = vgg16_features.pretrained(), vgg16_features.CONVS
    names = names[: names.index(CONTENT_LAYER) + 1]
    arrays = {f'{name}/{part}': params[name][part] for name in names for part in params[name]}
    return {**arrays, **params['input'], 'layers': np.array(names)}


def style(turns: Turns, *, size: int, steps: int, compiled: bool = False) -> None:
    """Minimizes the loss of Gram matrices by L-BFGS at one scale, from the content."""
    _begin(turns)
    content, style = (content_and_style(size)[:, None] * np.float32(2.0) - 255.0) / 255.0
    problem = {
        **vgg16_problem(),
        'content': content,
        'style': style,
        'style_weight': 30.0,
        'memory_size': 10,
    }
    image = torch.tensor(content.transpose(0, 3, 1, 2).copy())
    evaluations = 0

    def evaluated():
        nonlocal evaluations
        evaluations += 1
        if evaluations == steps:
            turns.ready(0.0, version=f'PyTorch {torch.__version__}')
        if evaluations % steps == 0 and not turns.wait():
            raise _NoMoreTurnsError

    with contextlib.suppress(_NoMoreTurnsError):
        torch_style.with_torch(problem, image, 1_000_000, evaluated=evaluated, compiled=compiled)


class _NoMoreTurnsError(Exception):
    """Ends an optimizer that is given no other end."""


def folder(turns: Turns, *, count: int, size: int) -> None:
    """Reads a folder of pictures with torchvision, by as many workers as cores."""
    from torchvision import datasets, transforms

    change = transforms.Compose(
        [transforms.Resize(size), transforms.CenterCrop(size), transforms.PILToTensor()]
    )
    with tempfile.TemporaryDirectory() as root:
        write_pictures(pathlib.Path(root), count)

        def step():
            found = datasets.ImageFolder(root, change)
            workers = len(os.sched_getaffinity(0))
            loader = torch.utils.data.DataLoader(found, batch_size=64, num_workers=workers)
            images = torch.cat([batch for batch, _ in loader])
            if images.shape != (count, 3, size, size):
                raise ValueError(f'the folder gave images of {tuple(images.shape)}')

        turns.repeat(step, 1, version=f'PyTorch {torch.__version__}')


def sampling(turns: Turns, *, argument: str | None, count: int, compiled: bool = False) -> None:
    """Draws samples from an untrained generator, 256 at a time."""
    section = rows.section('gan_fashion_mnist', argument)
    del section['name']
    _begin(turns)
    config = options.build(gan_method.Config, section, where='config.method')
    like = gan_method.NETWORKS[config.network][0](shape=(28, 28, 1), **config.generator)
    generator = torch_networks.NETWORKS[config.network][0](like, config.latent_size).eval()
    if compiled:
        generator.compile(dynamic=False)

    @torch.inference_mode()
    def step():
        for _ in range(-(-count // 256)):
            latent = torch.randn(256, config.latent_size, device=_DEVICE)
            generator(latent).clamp(-1.0, 1.0).cpu().numpy()

    _repeat(turns, step, 1, compiled)


def kid(turns: Turns, *, count: int, dim: int) -> None:
    """Measures KID over 100 random subsets with torch-fidelity."""
    from torch_fidelity import metric_kid

    _begin(turns)
    sets = [torch.from_numpy(one) for one in feature_sets(count, dim)]
    how = {'kid_subsets': 100, 'kid_subset_size': min(1000, count), 'verbose': False}
    _repeat(turns, lambda: metric_kid.kid_features_to_metric(*sets[::-1], **how), 1, False)


def precision_recall(turns: Turns, *, count: int, dim: int) -> None:
    """Measures precision and recall with torch-fidelity."""
    from torch_fidelity import metric_prc

    _begin(turns)
    sets = [torch.from_numpy(one) for one in feature_sets(count, dim)]
    step = lambda: metric_prc.prc_features_to_metric(*sets[::-1], verbose=False)
    _repeat(turns, step, 1, False)


def _begin(turns: Turns) -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    if _DEVICE == 'cuda':
        torch.set_default_device(_DEVICE)  # Until `_repeat`.
        allowed = turns.precision == 'tensorfloat32'
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
        torch.backends.cudnn.benchmark = True
        turns.finish = torch.cuda.synchronize
        turns.peak_mib = lambda: torch.cuda.max_memory_allocated() / 2**20


def compute_in_bfloat16(network: nn.Module) -> None:
    """Lets the forward passes of a network compute under autocast; it returns float32.

    Backward passes, of penalties too, are outside, as PyTorch recommends.
    """
    forward = network.forward

    def under_autocast(*inputs):
        with torch.autocast(_DEVICE, torch.bfloat16):
            outputs = forward(*inputs)
        return outputs.float()

    network.forward = under_autocast


def _batch(images: torch.Tensor, count: int) -> torch.Tensor:
    return _scaled(images[torch.randint(len(images), (count,), device=images.device)])


def _scaled(images: torch.Tensor) -> torch.Tensor:
    """Turns uint8 [n, height, width, channels] into [n, channels, height, width] in [-1, 1]."""
    return (images.permute(0, 3, 1, 2).float() * 2.0 - 255.0) / 255.0


def _train(
    turns: Turns,
    train: Callable[[], Mapping[str, torch.Tensor]],
    steps: int,
    networks: Sequence[nn.Module],
    compiled: bool,
) -> None:
    """Serves all turns with steps that return metrics, which are read once a turn."""
    facts = {'parameters': sum(p.numel() for n in networks for p in n.parameters())}
    if turns.precision == 'bfloat16':
        for network in networks:
            compute_in_bfloat16(network)
    if compiled:
        for network in networks:
            network.compile()
    calls = 0

    def step():
        nonlocal calls
        metrics, calls = train(), calls + 1
        if calls % steps == 0:
            values = {name: float(value) for name, value in metrics.items()}
            if any(value != value for value in values.values()):
                raise ValueError(f"PyTorch's metrics are not numbers: {values}.")

    _repeat(turns, step, steps, compiled, **facts)


def _repeat(turns: Turns, step: Callable[[], object], steps: int, compiled: bool, **facts) -> None:
    """Serves all turns; counts the operations of a step that is not compiled."""
    torch.set_default_device(None)  # It would cost time at every call.
    if not compiled:
        with _Operations() as operations:
            step()
        facts['flops'] = steps * operations.count
    # The second step compiles again what the first one has changed.
    facts['warmups'] = 2 if compiled else 1
    if _DEVICE == 'cuda':
        facts['hardware'] = f'1 x {torch.cuda.get_device_name()}'
    turns.repeat(step, steps, version=f'PyTorch {torch.__version__}', **facts)


class _Operations(TorchDispatchMode):
    """Counts multiplications and additions of matrix products and convolutions.

    PyTorch's FlopCounterMode also follows modules, which double backward passes do not allow.
    """

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        del types
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        if count := flop_registry.get(function.overloadpacket):
            self.count += count(*args, **kwargs, out_val=result)
        return result
