"""Steps in bfloat16: what is rounded, what is not, and runs from the first step to the export."""

import inspect
import pkgutil
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from imggen import cli, devices, networks
from imggen.errors import UserError
from imggen.evaluation import evaluate
from imggen.inference import export, load
from imggen.networks import layers
from imggen.training import precision, train
from tests.helpers import cases, processes

# With the products of float32 matrices that are left, by what they are for.
METHODS = {
    'classifier': None,
    'evaluator': 'distances',
    'flow_matching': None,
    'gan_adaptive': 'singular values of kernels',
    'pix2pix': None,
}
# The GAN that compiles fastest.
PERCEPTRONS = {
    'name': 'gan',
    'network': 'perceptron',
    'generator': {'features': (8,)},
    'discriminator': {'features': (4,), 'pieces': 2},
    'latent_size': 4,
}


def prepared(name):
    """Returns a method, the shapes of its state, and a batch."""
    method, batch = cases.method(name), cases.source().batch(0)
    return method, jax.eval_shape(method.init, jax.random.key(0), method.frozen, batch), batch


@pytest.mark.parametrize('name', METHODS)
def test_networks_compute_in_bfloat16_and_the_state_stays_float32(name):
    method, state, batch = prepared(name)
    step = precision.stepping_in('bfloat16', method).phases[-1].step
    traced = jax.jit(step).trace(jax.random.key(0), state, method.frozen, batch)
    new_state, metrics = traced.out_info
    for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(new_state), strict=True):
        assert (old.shape, old.dtype) == (new.shape, new.dtype)
    assert {leaf.dtype for leaf in metrics.values()} == {jnp.dtype('float32')}
    # As an accelerator runs it, without the forms that are fast on a CPU.
    program = traced.lower(lowering_platforms=('tpu',)).as_text()
    found = set(re.findall(r'stablehlo\.(convolution|dot_general)\b.*x(\w+)>', program))
    assert ('convolution', 'bf16') in found and ('convolution', 'f32') not in found
    assert (('dot_general', 'f32') in found) == bool(METHODS[name])


def test_networks_are_built_from_layers_that_have_the_type_of_the_step():
    known = {name for name, kind in vars(layers).items() if inspect.isclass(kind)}
    modules = pkgutil.walk_packages(networks.__path__, 'imggen.networks.')
    for module in (pkgutil.resolve_name(found.name) for found in modules):
        # Evolved images have no training step that could be in another type.
        if module not in (layers, networks.cppn):
            used = set(re.findall(r'\bnn\.([A-Z]\w+)\(', inspect.getsource(module)))
            assert not used & known, module
            has_type = {name for name in used if hasattr(getattr(nn, name), 'dtype')}
            assert has_type <= {'SpectralNorm'}, module  # Its layer casts the kernel.


@pytest.mark.parametrize('name', ['gan_dcgan', 'flow_matching'])
def test_gradients_are_near_those_of_float32(name):
    method, _, batch = prepared(name)
    options = devices.quick_options(devices.make_mesh())
    state = jax.jit(method.init, compiler_options=options)(jax.random.key(0), (), batch)
    # Zeros among the initial parameters would hide most gradients of the flow.
    random = np.random.default_rng(0)
    state = jax.tree.map_with_path(
        lambda path, leaf: (
            leaf + np.float32(0.1) * random.standard_normal(leaf.shape, np.float32)
            if '.params' in jax.tree_util.keystr(path)
            else leaf
        ),
        state,
    )

    def gradients(rounding):
        """Returns the first moments of Adam, which are multiples of the gradients."""
        step = precision.stepping_in(rounding, method).phases[0].step
        step = jax.jit(step, compiler_options=options)
        new_state, _ = step(jax.random.key(1), state, (), batch)
        moments = optax.tree.get_all_with_path(new_state, 'mu')
        return [jax.flatten_util.ravel_pytree(moment)[0] for _, moment in moments]

    pairs = list(zip(gradients('float32'), gradients('bfloat16'), strict=True))
    assert len(pairs) == (2 if name == 'gan_dcgan' else 1)
    for a, b in pairs:
        cosine = float(a @ b / jnp.linalg.norm(a) / jnp.linalg.norm(b))
        assert 0.99 < cosine < 1.0 - 1e-7


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A finished run in bfloat16, its config, and its workdir."""
    folder = tmp_path_factory.mktemp('precision')
    file = processes.write_config(folder, method=PERCEPTRONS, num_steps=6, checkpoint_every_steps=3)
    for part in (folder / 'set').iterdir():  # Evaluation looks at test images.
        shutil.copy(part, part.with_name(part.name.replace('train', 't10k')))
    config = cli.load_config(str(file)).to_dict()
    config['run']['precision'] = 'bfloat16'
    return train.train(config, folder / 'run'), config, folder / 'run'


def test_a_run_in_bfloat16_that_goes_on_is_the_same_run(run, tmp_path):
    result, config, workdir = run
    shutil.copytree(workdir, tmp_path / 'resumed')
    shutil.rmtree(tmp_path / 'resumed' / 'checkpoints' / '6')
    resumed = train.train(config, tmp_path / 'resumed')
    assert resumed.step == result.step == 6
    cases.assert_equal_bits(resumed.state, result.state)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(result.state)} == {'float32', 'int32'}


def test_float32_computes_other_parameters(run, tmp_path):
    result, config, _ = run
    config = {**config, 'run': {**config['run'], 'precision': 'float32'}}
    other = train.train(config, tmp_path / 'run')
    pairs = zip(jax.tree.leaves(other.state), jax.tree.leaves(result.state), strict=True)
    assert any(not jnp.array_equal(a, b) for a, b in pairs)
    cases.assert_close(other.state.ema, result.state.ema, rtol=0.1, atol=0.02)


def test_a_run_in_bfloat16_is_sampled_measured_and_exported_in_float32(run):
    _, _, workdir = run
    restored = load.load(workdir)
    exported = export.program(restored)
    assert {leaf.dtype for leaf in exported.out_avals} == {jnp.dtype('float32')}
    assert 'bf16' not in exported.mlir_module()
    how = evaluate.protocol(restored, num_images=16, extractor='pixels', only=['frechet'])
    assert np.isfinite(evaluate.evaluate(restored, how)['metrics']['frechet'])


def test_what_trains_no_network_has_no_bfloat16(run, tmp_path):
    _, config, _ = run
    method = {'name': 'pixel_average', 'num_steps': 2, 'num_images': 16}
    with pytest.raises(UserError, match=r"run\.precision='bfloat16'.*trains none: set .*float32"):
        train.train({**config, 'method': method}, tmp_path / 'never')
    with pytest.raises(UserError, match=r"run\.precision='bfloat61'.*did you mean 'bfloat16'"):
        train.RunConfig(precision='bfloat61')
    assert not (tmp_path / 'never').exists()
