"""Measures of translations: the same as scikit-image's, and the same for output and baseline."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import data, devices, images, methods
from imggen.data.loaders import folder
from imggen.errors import UserError
from imggen.evaluation import translation
from imggen.inference import load, translate
from imggen.metrics import lpips
from imggen.training import train
from imggen.workdir.restore import Restored

skimage = pytest.importorskip('skimage.metrics')

SIZE = (16, 24)


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    """Smooth pictures in color, half of them held out."""
    path = tmp_path_factory.mktemp('photographs')
    rng = np.random.default_rng(0)
    for index in range(8):
        coarse = rng.uniform(-1, 1, (1, 4, 6, 3)).astype(np.float32)
        smooth = jax.image.resize(jnp.asarray(coarse), (1, *SIZE, 3), 'cubic')
        images.write_png(path / f'{index}.png', images.to_uint8(smooth[0]))
    return path


def untrained(section, data, batch):
    method = methods.make(section)
    state = jax.jit(method.init)(jax.random.key(0), (), batch)
    mesh = devices.make_mesh(devices=jax.devices()[:1])
    return Restored({'method': section, 'data': data}, method, state, 0, batch, mesh)


@pytest.fixture(scope='module')
def section(photographs):
    return {'name': 'pairs', 'path': str(photographs), 'size': SIZE, 'test_fraction': 0.5}


def count_held_out(photographs):
    files = folder.scan(photographs).files
    return sum(folder.in_split(file, 'test', 0.5) for file in files)


@pytest.fixture(scope='module')
def enlarged(section, photographs):
    """A network that was never trained: its output is the bicubic enlargement."""
    batch = {'input': jnp.zeros((1, 8, 12, 3)), 'target': jnp.zeros((1, *SIZE, 3))}
    method = {
        'name': 'super_resolution',
        'num_steps': 1,
        'scale': 2,
        'network': {'features': 2, 'blocks': 1},
    }
    run = untrained(method, section | {'task': 'downscale', 'scale': 2}, batch)
    return run, translation.measure(run, num_images=100, seed=0)


def test_output_and_baseline_are_measured_alike(enlarged):
    _, metrics = enlarged
    for name in ('l1', 'psnr', 'ssim', 'psnr_y', 'ssim_y'):
        assert metrics[name] == pytest.approx(metrics[f'bicubic_{name}'], rel=1e-4)
    assert metrics['nearest_psnr'] < metrics['bicubic_psnr']
    assert metrics['nearest_psnr'] < metrics['lanczos_psnr']
    assert metrics['spread'] == pytest.approx(1.0, abs=0.3)
    assert all(np.isfinite(value) for value in metrics.values())


def test_psnr_and_ssim_are_scikit_images(enlarged):
    run, metrics = enlarged
    sets = list(translate.validation(run, num_images=100))
    output, target = (
        np.concatenate([chunk[name] for chunk in sets]) for name in ('output', 'target')
    )
    psnr = [
        skimage.peak_signal_noise_ratio(b.astype(float), a.astype(float), data_range=2)
        for a, b in zip(output, target, strict=True)
    ]
    ssim = [
        skimage.structural_similarity(
            (a.astype(float) + 1) / 2,
            (b.astype(float) + 1) / 2,
            data_range=1,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(output, target, strict=True)
    ]
    assert metrics['psnr'] == pytest.approx(np.mean(psnr), abs=1e-5)
    assert metrics['ssim'] == pytest.approx(np.mean(ssim), abs=1e-4)
    assert metrics['l1'] == pytest.approx(np.abs(output - target).mean(), rel=1e-4)


def test_baselines_of_a_translation(section, photographs):
    batch = {'input': jnp.zeros((1, *SIZE, 1)), 'target': jnp.zeros((1, *SIZE, 3))}
    method = {
        'name': 'pix2pix',
        'num_steps': 1,
        'gan_weight': 0.0,
        'generator': {'features': 2, 'depth': 1},
    }
    run = untrained(method, section | {'filter': 'gray'}, batch)
    metrics = translation.measure(run, num_images=100, seed=0)
    held_out = data.held_out(run.config['data'])
    target = 2 * (held_out['target'] / 255.0) - 1
    assert len(target) == count_held_out(photographs)
    gray = 2 * (held_out['input'] / 255.0) - 1
    assert metrics['input_l1'] == pytest.approx(np.abs(gray - target).mean(), rel=1e-4)
    train = [translate.data.paired_examples(run.config['data'], split='train')['target'].mean(0)]
    mean = 2 * (np.rint(train[0]) / 255.0) - 1
    assert metrics['mean_picture_l1'] == pytest.approx(np.abs(mean - target).mean(), rel=1e-4)
    assert metrics['spread'] < 0.1  # Untrained, all outputs look the same,
    assert metrics['chroma'] < 0.5  # and pale.
    fewer = translation.measure(run, num_images=1, seed=0)
    assert fewer['input_l1'] == pytest.approx(np.abs(gray[0] - target[0]).mean(), rel=1e-4)
    assert 'spread' not in fewer


def test_lpips_is_that_of_the_output_and_the_target(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(4):
        images.write_png(tmp_path / f'{index}.png', rng.integers(0, 256, (32, 40, 3), np.uint8))
    section = {'name': 'pairs', 'path': str(tmp_path), 'size': (32, 40), 'test_fraction': 0.5}
    batch = {side: jnp.zeros((1, 32, 40, 3)) for side in ('input', 'target')}
    method = {'name': 'pix2pix', 'num_steps': 1, 'gan_weight': 0.0}
    method['generator'] = {'features': 2, 'depth': 1}
    run = untrained(method, section | {'filter': 'blur'}, batch)
    metrics = translation.measure(run, num_images=8, seed=0)
    (sets,) = translate.validation(run, num_images=8, seed=0)
    params = lpips.load('alexnet')
    for name, candidate in (('lpips', sets['output']), ('input_lpips', sets['input'])):
        expected = lpips.lpips(params, candidate, sets['target']).mean()
        assert metrics[name] == pytest.approx(float(expected), rel=1e-4)
    assert metrics['lpips'] != metrics['input_lpips'] > 0.01
    by_vgg16, params = translation.measure_vgg16(run, num_images=8, seed=0), lpips.load('vgg16')
    for name, candidate in (('lpips', sets['output']), ('input_lpips', sets['input'])):
        expected = lpips.lpips(params, candidate, sets['target']).mean()
        assert by_vgg16[f'{name}_vgg16'] == pytest.approx(float(expected), rel=1e-4)


def test_an_autoencoder_of_a_plain_folder_is_measured_too(photographs):
    data = {'name': 'folder', 'path': str(photographs), 'size': SIZE, 'test_fraction': 0.5}
    method = {'name': 'pix2pix', 'num_steps': 1, 'gan_weight': 0.0}
    method['generator'] = {'features': 2, 'depth': 1}
    run = untrained(method, data, {'image': jnp.zeros((1, *SIZE, 3))})
    metrics = translation.measure(run, num_images=8, seed=0)
    assert metrics['input_l1'] == 0.0
    assert metrics['l1'] > 0.05 and metrics['mean_picture_l1'] > 0.05


def test_the_mean_picture_is_a_baseline_where_pieces_are_cut_at_random(tmp_path):
    for index in range(8):
        images.write_png(tmp_path / f'{index}.png', np.full((20, 28, 3), 20 * index, np.uint8))
    section = {'name': 'pairs', 'path': str(tmp_path), 'size': (20, 28), 'test_size': (16, 24)}
    section |= {'test_fraction': 0.5, 'augment': {'crop': (16, 24)}}
    batch = {side: jnp.zeros((1, 16, 24, 3)) for side in ('input', 'target')}
    method = {'name': 'pix2pix', 'num_steps': 1, 'gan_weight': 0.0}
    method['generator'] = {'features': 2, 'depth': 1}
    metrics = translation.measure(untrained(method, section, batch), num_images=8, seed=0)
    train, test = (
        translate.data.paired_examples(section, split=split)['target'].mean((1, 2, 3))
        for split in ('train', 'test')
    )
    expected = np.abs(np.rint(train.mean()) - test).mean() / 127.5
    assert metrics['mean_picture_l1'] == pytest.approx(expected, rel=1e-4)


def test_the_averages_of_a_subset_are_baselines_where_targets_are_others_of_it(tmp_path):
    generator = np.random.default_rng(0)
    for subset in ('all trained on', 'dark', 'light'):
        (tmp_path / subset).mkdir()
        for name in (f'{subset}/{index}.png' for index in range(12)):
            if subset in ('dark', 'light') or folder.in_split(name, 'train', 0.4):
                picture = generator.integers(0, 100, (16, 24, 3)) + 150 * (subset == 'light')
                images.write_png(tmp_path / name, picture.astype(np.uint8))
    section = {'name': 'pairs', 'path': str(tmp_path), 'size': (16, 24), 'task': 'another'}
    section['test_fraction'] = 0.4
    batch = {side: jnp.zeros((1, 16, 24, 3)) for side in ('input', 'target')}
    method = {'name': 'pix2pix', 'num_steps': 1, 'gan_weight': 0.0}
    method['generator'] = {'features': 2, 'depth': 1}
    metrics = translation.measure(untrained(method, section, batch), num_images=50, seed=0)
    train, test = (
        translate.data.paired_examples(section, split=split) for split in ('train', 'test')
    )
    assert set(train['label']) == {0, 1, 2} and set(test['label']) == {1, 2}
    for statistic in (np.mean, np.median):
        errors = []
        for target, label in zip(test['target'], test['label'], strict=True):
            average = np.rint(statistic(train['input'][train['label'] == label], 0))
            errors.append(np.abs(average - target).mean() / 127.5)
        name = f'subset_{statistic.__name__}_l1'
        assert metrics[name] == pytest.approx(np.mean(errors), rel=1e-4)
    assert metrics['subset_mean_l1'] < 0.7 * metrics['mean_picture_l1']


def test_a_perfect_baseline_has_a_finite_score(section):
    batch = {'input': jnp.zeros((1, *SIZE, 3)), 'target': jnp.zeros((1, *SIZE, 3))}
    method = {
        'name': 'pix2pix',
        'num_steps': 1,
        'gan_weight': 0.0,
        'generator': {'features': 2, 'depth': 1},
    }
    metrics = translation.measure(untrained(method, section, batch), num_images=2, seed=0)
    assert metrics['input_l1'] == 0.0
    assert metrics['input_psnr'] == 100.0
    assert metrics['input_ssim'] == pytest.approx(1.0, abs=1e-5)


def test_a_run_keeps_the_checkpoint_with_the_smallest_lpips(tmp_path):
    try:
        lpips.load('alexnet')
    except UserError as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(0)
    for index in range(6):
        picture = rng.integers(0, 256, (40, 40, 3), np.uint8)
        images.write_png(tmp_path / 'photographs' / f'{index}.png', picture)
    section = {'name': 'pairs', 'path': str(tmp_path / 'photographs'), 'size': (32, 32)}
    section |= {'task': 'filter', 'filter': 'gray', 'test_fraction': 0.5, 'batch_size': 4}
    network = {'features': 2}
    method = {'name': 'pix2pix', 'num_steps': 3, 'generator': network, 'discriminator': network}
    run = {'keep_best': True, 'checkpoint_every_steps': 1, 'measure_every_steps': 1}
    run |= {'log_every_steps': 1, 'sample_every_steps': 0, 'keep_newest': 3, 'num_measured': 2}
    config = {'seed': 0, 'method': {**method, 'learning_rate': 0.3}, 'data': section, 'run': run}
    train.train(config, tmp_path / 'run')
    lines = (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines()
    found = {line['step']: line['lpips'] for line in map(json.loads, lines) if 'lpips' in line}
    assert sorted(found) == [1, 2, 3] and len(set(found.values())) == 3
    best = load.load(tmp_path / 'run', which='best')
    assert best.step == min(found, key=found.get)
    # The same pictures, measured as an evaluation does.
    again = translation.measure(best, num_images=2, seed=0)['lpips']
    assert again == pytest.approx(found[best.step], rel=1e-4)
