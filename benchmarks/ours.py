"""Our sides of the table. Training goes through `loop.run`, from the data set to the metrics.

Every function takes its turns and options that JSON can hold.
"""

import importlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import jax
import jax.numpy as jnp
from PIL import Image

from benchmarks import rows
from benchmarks.problems import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    content_and_style,
    feature_sets,
    noise,
    write_pictures,
)
from benchmarks.sides import Turns
from imggen import data, devices, methods
from imggen.data import dataset, pipeline
from imggen.data.loaders import folder as folder_loader
from imggen.data.pairs import pairings
from imggen.data.source import Source
from imggen.features import vgg16 as vgg16_features
from imggen.inference import sampling as sampler
from imggen.method import Method
from imggen.metrics.kid import kid_subsets
from imggen.metrics.precision_recall import precision_recall as measure_precision_recall
from imggen.train_state import TrainState
from imggen.training import loop, precision
from imggen.workdir.restore import Restored

_MATRIX = 2048


def gan(
    turns: Turns, *, config: str, argument: str | None, shape, steps: int, batch_size: int = 64
) -> None:
    """Trains a GAN on noise, over all devices."""
    method = methods.make(rows.section(config, argument))
    images = dataset.from_arrays(noise(4096, *shape), description='noise')
    _train(turns, method, _source(images, batch_size), steps)


def projected(turns: Turns, *, size: int, batch_size: int, steps: int) -> None:
    """Trains DCGAN with a projected discriminator on noise."""
    changes = {'frozen': {'network': 'lite0'}, 'r1_gamma': 0.0, 'penalty_every_steps': 1}
    method = methods.make(rows.section('gan_folder', **changes))
    images = dataset.from_arrays(noise(64, size, size, 3), description='noise')
    _train(turns, method, _source(images, batch_size), steps)


def pix2pix(turns: Turns, *, size: int, features: int, steps: int) -> None:
    """Trains the published networks on pairs of noise, one at a time."""
    section = {
        'name': 'pix2pix',
        'num_steps': 1_000_000,
        'generator': {'features': features},
        'discriminator': {'features': features},
    }
    pairs = dataset.from_arrays(noise(32, size, size, 6), description='noise')
    pairs = pairs._replace(pairing=dataset.Pairing(pairings.sides(3)))
    _train(turns, methods.make(section), _source(pairs, 1), steps)


def super_resolution(turns: Turns, *, size: int, steps: int) -> None:
    """Trains the first phase on noise; the inputs are made from it in the step."""
    method = methods.make(rows.section('super_resolution_x4', num_adversarial_steps=0))
    images = dataset.from_arrays(noise(64, size, size, 3), description='noise')
    _train(turns, method, _source(images, 16), steps)


def flow(turns: Turns, *, features, steps: int) -> None:
    """Trains a flow on noise."""
    section = rows.section('flow_fashion_mnist')
    section['network']['features'] = tuple(features)
    images = dataset.from_arrays(noise(4096, 28, 28, 1), description='noise')
    _train(turns, methods.make(section), _source(images, 64), steps)


def classifier(turns: Turns, *, steps: int) -> None:
    """Trains the classifier on noise with labels, without augmentation."""
    images = noise(4096, 28, 28, 1)
    labeled = dataset.from_arrays(images, labels=images[:, 0, 0, 0] % 10, description='noise')
    _train(
        turns, methods.make(rows.section('classifier_fashion_mnist')), _source(labeled, 128), steps
    )


def evolution(turns: Turns, *, classifier: str, chains: int, steps: int) -> None:
    """Climbs from noise to one class."""
    names = ('volcano',) if classifier == 'lite0' else ('Pullover',)
    section = {
        'name': 'hill_climb',
        'num_steps': 1_000_000,
        'problem': {'classifier': classifier, 'class_names': names},
        'moves': {'few_pixels': {'least': 1, 'most': 20}},
        'chains_per_class': chains,
    }
    source = data.make({'name': 'none'}, seed=0)
    _train(turns, methods.make(section), source, steps)


def vgg16(turns: Turns, *, size: int, steps: int) -> None:
    """Evaluates the loss of `style_loss` and its gradient."""
    if turns.precision == 'bfloat16':
        raise ValueError('frozen networks such as VGG16 compute in float32 also with bfloat16')
    params = vgg16_features.pretrained()
    image = jax.random.uniform(jax.random.key(0), (1, size, size, 3), minval=-1.0)
    evaluate = jax.jit(
        jax.value_and_grad(lambda image, params: style_loss(params, image)),
        compiler_options=devices.compiler_options(devices.make_mesh()),
    )
    params = jax.device_put(params)
    with _products(turns):
        step = lambda: jax.block_until_ready(evaluate(image, params))
        turns.repeat(step, steps, **_facts(turns))


def style_loss(params, image: jax.Array) -> jax.Array:
    """Returns mean F^2 of the content layer + the sum over style layers of |G|^2, a scalar."""
    found = vgg16_features.activations(params, image, (CONTENT_LAYER, *STYLE_LAYERS))
    loss = jnp.mean(jnp.square(found[CONTENT_LAYER]))
    for name in STYLE_LAYERS:
        flat = found[name].reshape(-1, found[name].shape[-1])
        loss += jnp.sum(jnp.square(flat.T @ flat / len(flat)))
    return loss


def style(turns: Turns, *, size: int, steps: int) -> None:
    """Minimizes the loss of Gram matrices by L-BFGS at one scale, from the content."""
    section = {
        'name': 'style',
        'num_steps': 1_000_000,
        'padding': 'zero',
        'style_weight': 30.0,
        'optimizer_options': {'memory_size': 10},
    }
    _train(turns, methods.make(section), _style_source(size), steps)


def neighbors(turns: Turns, *, size: int, steps: int) -> None:
    """Repaints noise by nearest neighbors, at full size alone."""
    changes = {'scales': (1.0,), 'split_fraction': 0.5}
    method = methods.make(rows.section('style_neighbours', **changes))
    _train(turns, method, _style_source(size), steps)


def _style_source(size: int) -> Source:
    with tempfile.TemporaryDirectory() as root:
        paths = [f'{root}/content.png', f'{root}/style.png']
        for path, image in zip(paths, content_and_style(size), strict=True):
            Image.fromarray(image).save(path)
        section = {'name': 'style', 'content': paths[0], 'style': paths[1], 'size': size}
        return data.make({**section, 'trim': False}, seed=0)


def folder(turns: Turns, *, count: int, size: int) -> None:
    """Reads a folder of pictures for the first time."""
    with tempfile.TemporaryDirectory() as root:
        pictures = pathlib.Path(root, 'pictures')
        write_pictures(pictures, count)

        def step():
            with tempfile.TemporaryDirectory(dir=root) as cache:
                os.environ['XDG_CACHE_HOME'] = cache
                found = folder_loader.load(path=str(pictures), size=(size, size), fit='crop')
                if found.read(slice(None))['image'].shape != (count, size, size, 3):
                    raise ValueError(f'the folder gave images of {found.shape}')

        turns.repeat(step, 1, **_facts(turns))


def many_files(turns: Turns, *, count: int) -> None:
    """Reads a folder of small files: for the first time in the first turn, then from its cache."""
    with tempfile.TemporaryDirectory() as root:
        pictures = pathlib.Path(root, 'pictures')
        pictures.mkdir()
        for index, image in enumerate(noise(100, 16, 16, 3)):
            Image.fromarray(image).save(pictures / f'{index}.png')
        contents = [path.read_bytes() for path in pictures.iterdir()]
        for index in range(100, count):
            (pictures / f'{index}.png').write_bytes(contents[index % len(contents)])
        os.environ['XDG_CACHE_HOME'] = f'{root}/cache'
        turns.ready(0.0, **_facts(turns))
        while turns.wait():
            folder_loader.load(path=str(pictures), size=(16, 16), fit='crop')


def sampling(turns: Turns, *, argument: str | None, count: int) -> None:
    """Draws samples from an untrained generator."""
    config = {'method': rows.section('gan_fashion_mnist', argument)}
    method, mesh = methods.make(config['method']), devices.make_mesh()
    batch = {'image': jnp.zeros((1, 28, 28, 1))}
    init = jax.jit(method.init, compiler_options=devices.quick_options(mesh))
    state = init(jax.random.key(0), method.frozen, batch)
    restored = Restored(config, method, state, 0, batch, mesh)

    def step():
        chunks = sampler.generate(jax.random.key(1), restored, count)
        total = sum(len(chunk['generated']) for chunk in chunks)
        if total != count:
            raise ValueError(f'{total} samples, not {count}')

    with _products(turns):
        turns.repeat(step, 1, **_facts(turns))


def kid(turns: Turns, *, count: int, dim: int) -> None:
    """Measures KID over 100 random subsets."""
    real, generated = feature_sets(count, dim)
    size, key = min(1000, count), jax.random.key(0)
    step = lambda: kid_subsets(key, real, generated, subset_size=size)
    turns.repeat(step, 1, **_facts(turns))


def precision_recall(turns: Turns, *, count: int, dim: int) -> None:
    """Measures precision and recall."""
    sets = feature_sets(count, dim)
    turns.repeat(lambda: measure_precision_recall(*sets, inclusive=True), 1, **_facts(turns))


def start(turns: Turns, *, config: str) -> None:
    """Starts `experiments.train` until the record of its first step is on disk."""
    _start(config)
    turns.ready(0.0, **_facts(turns))
    while turns.wait():
        _start(config)


def _start(config: str) -> None:
    with tempfile.TemporaryDirectory() as workdir:
        command = [sys.executable, '-m', 'experiments.train', f'--config=configs/{config}.py']
        command += [f'--workdir={workdir}', '--config.run.log_every_steps=1']
        metrics = pathlib.Path(workdir, 'metrics.jsonl')
        # Python keeps bytecode, unless somebody forbids it; then each start compiles 1,500 modules.
        environment = {**os.environ, 'PYTHONDONTWRITEBYTECODE': ''}
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        try:
            while not (metrics.exists() and metrics.stat().st_size):
                if process.poll() is not None:
                    raise RuntimeError(f'{" ".join(command)} ended with {process.returncode}')
                time.sleep(0.01)
        finally:
            process.kill()
            process.wait()


def compilation(turns: Turns, *, config: str) -> None:
    """Makes one step of every phase of a config; data that it lacks is noise."""
    found = importlib.import_module(f'configs.{config}').get_config().to_dict()
    method = methods.make(found['method'])
    phases = tuple(phase._replace(num_steps=1) for phase in method.phases)
    with tempfile.TemporaryDirectory() as root:
        write_pictures(pathlib.Path(root), 64)
        section, first = found['data'], f'{root}/class/00000.jpg'
        for name, path in {'path': root, 'content': first, 'style': first}.items():
            if section.get(name) == '':
                section[name] = path
        source = data.make(section, seed=found['seed'])
        _train(turns, method._replace(phases=phases), source, len(phases))


def matrix_product(turns: Turns, *, steps: int) -> None:
    """Multiplies two large matrices: what this machine can do at best."""
    matrix = jax.random.normal(jax.random.key(0), (_MATRIX, _MATRIX))
    product, flops = jax.jit(jnp.matmul), 2 * steps * _MATRIX**3
    with _products(turns):
        turns.repeat(lambda: product(matrix, matrix).block_until_ready(), steps, flops=flops)


def _source(images: dataset.Dataset, batch_size: int) -> Source:
    return pipeline.shuffled(
        images, seed=0, batch_size=batch_size, augmentation={}, memory_budget_mib=1024
    )


def _train(turns: Turns, method: Method, source: Source, steps: int) -> None:
    """Serves all turns with `steps` steps of a method; those before the first are a warm-up."""
    seconds, going = [], None

    def look(step, phase, state, metrics):
        nonlocal going
        del step, phase, metrics
        if going is None:
            precision.check(turns.precision, state)
            turns.ready(sum(seconds), **_parameters(state), **_facts(turns))
        going = going is not False and turns.wait()

    loop.run(
        precision.stepping_in(turns.precision, method),
        source,
        seed=0,
        mesh=devices.make_mesh(),
        log_every_steps=steps,
        hooks=[loop.StateHook(steps, look)],
        observers=[lambda record: seconds.append(record.seconds)],
        stop=lambda: going is False,
    )


def _parameters(state) -> dict[str, int]:
    """Returns the number of parameters of all networks that are trained, if there are any."""
    leaves = jax.tree.leaves(state, is_leaf=lambda leaf: isinstance(leaf, TrainState))
    trained = [leaf.params for leaf in leaves if isinstance(leaf, TrainState)]
    count = sum(leaf.size for leaf in jax.tree.leaves(trained))
    return {'parameters': count} if count else {}


def _products(turns: Turns):
    """Returns the context in which float32 products have the precision of the turns."""
    _, products = precision.PRECISIONS[turns.precision]
    return jax.default_matmul_precision(products)


def _facts(turns: Turns) -> dict[str, Any]:
    """Says what computes the turns; the memory of a GPU is what counts."""
    device = jax.local_devices()[0]
    if device.platform != 'cpu':
        turns.peak_mib = lambda: device.memory_stats()['peak_bytes_in_use'] / 2**20
    return {'version': f'JAX {jax.__version__}', 'hardware': devices.hardware()}
