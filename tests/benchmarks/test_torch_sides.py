"""The networks of PyTorch's sides compute what ours compute, from the same parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import images
from imggen.features import fashion_classifier, lite0, vgg16
from imggen.networks.classifier import Classifier
from imggen.networks.flow_unet import FlowUNet
from imggen.networks.super_resolution import SuperResolution

torch = pytest.importorskip('torch', reason="PyTorch is not here: pip install -e '.[benchmark]'")
from benchmarks import (  # noqa: E402
    ours,
    theirs,
    torch_classifier,
    torch_flow,
    torch_super_resolution,
)

QUICK = {'xla_backend_optimization_level': 0}


def draw(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def noisy(variables):
    """Layers that start at zero get other values, so that every parameter matters."""
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: leaf + 0.1 * rng.normal(size=leaf.shape), variables)


def to_torch(pictures):
    return torch.tensor(pictures).permute(0, 3, 1, 2)


def compare(theirs, ours, **tolerances):
    theirs = theirs.detach().permute(0, 2, 3, 1) if theirs.ndim == 4 else theirs.detach()
    np.testing.assert_allclose(theirs.numpy(), ours, **{'rtol': 1e-3, 'atol': 1e-4, **tolerances})


def same_loss_and_gradient(network, call, ours, variables):
    """Compares the mean square of the outputs, and the norm of its gradient."""
    loss = lambda params: jnp.mean(jnp.square(ours({**variables, 'params': params})))
    value, gradients = jax.jit(jax.value_and_grad(loss), compiler_options=QUICK)(
        variables['params']
    )
    found = call().square().mean()
    found.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in network.parameters()])
    expected = np.sqrt(sum(float(jnp.sum(g**2)) for g in jax.tree.leaves(gradients)))
    np.testing.assert_allclose([found.item(), norm.item()], [value, expected], rtol=1e-3)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables['params']))
    assert count == sum(parameter.numel() for parameter in network.parameters())


def test_flow():
    module, network = FlowUNet(features=(8, 16)), torch_flow.FlowUNet(1, (8, 16))
    pictures, time = draw(3, 8, 8, 1), np.float32([0.1, 0.5, 0.9])
    init = jax.jit(module.init, compiler_options=QUICK)
    variables = noisy(init(jax.random.key(0), pictures, time))
    torch_flow.load(network, variables['params'])
    same_loss_and_gradient(
        network,
        lambda: network(to_torch(pictures), torch.tensor(time)),
        lambda variables: module.apply(variables, pictures, time),
        variables,
    )


def test_super_resolution():
    module = SuperResolution(scale=4, features=4, blocks=2, upsampling='direct')
    network = torch_super_resolution.SuperResolution(channels=3, scale=4, features=4, blocks=2)
    pictures = draw(2, 24, 20, 3)
    small = np.asarray(images.downscale(jnp.asarray(pictures), 4))
    # Rounding to 8 bits may go the other way for a value half-way.
    compare(torch_super_resolution.downscale(to_torch(pictures), 4), small, atol=2.1 / 255)
    variables = noisy(jax.jit(module.init, compiler_options=QUICK)(jax.random.key(0), small))
    torch_super_resolution.load(network, variables['params'])
    compare(network(to_torch(small)), module.apply(variables, small))
    same_loss_and_gradient(
        network,
        lambda: network(to_torch(small)),
        lambda variables: module.apply(variables, small),
        variables,
    )


def test_classifier():
    network, pictures = torch_classifier.Classifier(), draw(4, 28, 28, 1)
    variables = fashion_classifier.load(fashion_classifier.WEIGHTS)
    torch_classifier.load(network, variables)

    def ours(variables):
        return Classifier().apply(variables, pictures, train=True, mutable=['batch_stats'])[0][0]

    same_loss_and_gradient(network, lambda: network(to_torch(pictures)), ours, variables)
    logits, _ = Classifier().apply(variables, pictures, train=False)
    torch_classifier.load(network.eval(), variables)
    compare(network(to_torch(pictures)), logits)


def test_lite0():
    params, pictures = lite0.pretrained(), draw(1, 64, 64, 3)
    network = torch_classifier.Lite0(params, theirs.LITE0_STRIDES)
    compare(network(to_torch(pictures)), lite0.classify(params, pictures)['logits'], atol=1e-3)


def test_vgg16():
    picture = draw(1, 32, 32, 3)
    loss = jax.jit(jax.value_and_grad(ours.style_loss, argnums=1), compiler_options=QUICK)
    value, gradient = loss(vgg16.pretrained(), picture)
    image = to_torch(picture).requires_grad_(True)
    found = theirs.style_loss(theirs.vgg16_modules(), image)
    found.backward()
    np.testing.assert_allclose(found.item(), value, rtol=1e-3)
    compare(image.grad, gradient, atol=1e-3 * float(jnp.abs(gradient).max()))


def test_bfloat16_gives_almost_the_loss_and_the_gradient_of_float32():
    torch.manual_seed(0)
    network = torch_flow.FlowUNet(1, (8, 16))
    for layer in network.parameters():  # Some begin at zero.
        torch.nn.init.normal_(layer, std=0.1)
    pictures, time = to_torch(draw(3, 8, 8, 1)), torch.tensor([0.1, 0.5, 0.9])

    def measured():
        outputs = network(pictures, time)
        assert outputs.dtype == torch.float32
        loss = outputs.square().mean()
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, network.parameters())])
        return loss.item(), gradient

    loss, gradient = measured()
    theirs.compute_in_bfloat16(network)
    rounded, rounded_gradient = measured()
    assert 0 < abs(rounded - loss) < 0.05 * loss
    assert 0 < (rounded_gradient - gradient).norm() < 0.1 * gradient.norm()


def test_climbing_never_makes_the_class_less_probable():
    torch.manual_seed(0)
    climb = torch_classifier.Climb(lambda x: x.mean((2, 3)) * 100.0, (5, 4, 4, 3), 1)
    odds = [climb.values]
    for _ in range(20):
        climb.step()
        odds.append(climb.values)
    assert (torch.stack(odds).diff(dim=0) >= 0).all()
    assert (odds[-1] > odds[0]).all()
