"""Samples, walks and measures of a trained run."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import imggen
from imggen import data, devices, features, images, keys
from imggen.errors import UserError
from imggen.evaluation import distribution, evaluate, selection
from imggen.inference import load, sampling
from imggen.metrics import extraction, realism
from imggen.training import train
from tests.configs import test_configs
from tests.helpers import commands


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    config = test_configs.load(test_configs.ROOT / 'configs' / 'gan_fashion_mnist.py')
    config.data.max_examples = 2000  # Of 60,000, and of 10,000 to compare with.
    config.run.keep_best = True
    config.run.measure_every_steps = 1
    config.run.num_measured = 64
    train.train(config.to_dict(), folder)
    return folder


def test_image_i_is_the_same_however_many_are_made(workdir):
    restored = load.load(workdir)
    key = keys.stream(0, 'sample')
    many = np.concatenate(
        [chunk['generated'] for chunk in sampling.generate(key, restored, 21, batch_size=8)]
    )
    few = next(sampling.generate(key, restored, 5, batch_size=12))['generated']
    assert many.shape == (21, 28, 28, 1) and few.shape == (5, 28, 28, 1)
    np.testing.assert_allclose(many[:5], few, atol=1e-5)


def test_one_device_and_four_make_the_same_images(workdir):
    key = keys.stream(0, 'sample')
    one, four = (
        next(sampling.generate(key, load.load(workdir, mesh=mesh), 8))['generated']
        for mesh in (devices.make_mesh(devices=jax.devices()[:1]), devices.make_mesh())
    )
    np.testing.assert_allclose(one, four, atol=1e-5)


def test_files_are_numbered_whatever_the_devices_make_of_a_batch(workdir, tmp_path):
    """Four devices round a batch of 10 up to 12."""
    given = [f'--workdir={workdir}', f'--output={tmp_path}', '--num=25', '--batch_size=10']
    command = [sys.executable, '-m', 'experiments.sample', *given]
    subprocess.run(command, check=True, capture_output=True, cwd=test_configs.ROOT)
    *files, drawn = sorted(tmp_path.iterdir())
    assert drawn.name == 'latents.npz'
    assert [file.name for file in files] == [f'{index:06d}.png' for index in range(25)]
    key = keys.stream(0, 'sample')
    (expected,) = sampling.generate(key, load.load(workdir), 25)
    expected = images.to_uint8(expected['generated'])
    for file, picture in zip(files, expected, strict=True):
        np.testing.assert_allclose(np.asarray(Image.open(file)), picture[..., 0], atol=1)


@pytest.mark.parametrize('batch_size', [8, 256])
def test_the_most_realistic_of_three_samples_is_kept(workdir, batch_size):
    restored, key = load.load(workdir), keys.stream(0, 'sample')
    chunks = selection.best_of(key, restored, 7, 3, batch_size=batch_size)
    kept, numbers = (np.concatenate(part) for part in zip(*chunks, strict=True))
    candidates = next(sampling.generate(key, restored, 21))['generated']
    extractor = features.make('fashion_classifier')
    pictures, _ = data.examples(restored.config['data'], split='train')
    real, made = (extraction.extract(extractor, some).features for some in (pictures, candidates))
    scores = realism.realism(realism.balls(real), made)
    np.testing.assert_array_equal(numbers // 3, np.arange(7))
    np.testing.assert_allclose(scores[numbers], scores.reshape(7, 3).max(axis=1), rtol=1e-4)
    assert len(set(numbers % 3)) > 1 and scores.std() > 1e-4
    np.testing.assert_allclose(kept, candidates[numbers], atol=1e-5)


def test_chosen_samples_have_latents_that_make_them_again(workdir, tmp_path):
    command = [sys.executable, '-m', 'experiments.sample', f'--workdir={workdir}', '--best_of=3']
    done = subprocess.run(
        [*command, '--num=5', f'--output={tmp_path}/best'],
        capture_output=True,
        text=True,
        cwd=test_configs.ROOT,
    )
    assert done.returncode == 0, done.stderr
    files = [np.asarray(Image.open(tmp_path / f'best/{index:06d}.png')) for index in range(5)]
    latents = np.load(tmp_path / 'best/latents.npz')['latent']
    assert latents.shape == (5, load.load(workdir).method.latent_size)
    again = imggen.load(workdir).sample(5, latent=latents)[..., 0]
    np.testing.assert_allclose(np.stack(files).astype(int), again, atol=1)
    refused = subprocess.run(
        [*command, '--interpolate', f'--output={tmp_path}/walk.gif'],
        capture_output=True,
        text=True,
        cwd=test_configs.ROOT,
    )
    assert refused.returncode == 1
    assert '--best_of does nothing with --interpolate: leave it out.' in refused.stderr


def test_what_cannot_be_chosen_is_refused_before_the_work(workdir, tmp_path):
    restored, key = load.load(workdir), keys.stream(0, 'sample')
    with pytest.raises(UserError, match='has no classes'):
        selection.best_of(key, restored, 2, 2, label=3)
    with pytest.raises(UserError, match='truncation of -1'):
        selection.best_of(key, restored, 2, 2, truncation=-1.0)
    section = {'name': 'folder', 'path': str(tmp_path / 'gone')}
    moved = restored._replace(config={**restored.config, 'data': section})
    with pytest.raises(UserError, match='gone is not there: put them there, or leave --best_of'):
        next(selection.best_of(key, moved, 2, 2))
    command = [sys.executable, '-m', 'experiments.sample', f'--workdir={tmp_path}/none']
    refused = subprocess.run(
        [*command, '--extractor=pixels', f'--output={tmp_path}/x.png'],
        capture_output=True,
        text=True,
        cwd=test_configs.ROOT,
    )
    assert '--extractor does nothing without --project or --best_of' in refused.stderr


def test_images_that_a_search_holds_are_written_and_not_chosen_among(tmp_path):
    config = test_configs.load(test_configs.ROOT / 'configs' / 'evolve_strategy.py')
    train.train(config.to_dict(), tmp_path / 'evolved')
    command = [sys.executable, '-m', 'experiments.sample', f'--workdir={tmp_path}/evolved']
    for arguments, code in (['--num=2'], 0), (['--num=2', '--best_of=2'], 1):
        done = subprocess.run(
            [*command, *arguments, f'--output={tmp_path}/{code}.png'],
            capture_output=True,
            text=True,
            cwd=test_configs.ROOT,
        )
        assert done.returncode == code, done.stderr
        assert (tmp_path / f'{code}.png').exists() == (code == 0)
    assert 'the run holds its images and draws none: leave --best_of out.' in done.stderr
    assert 'Traceback' not in done.stderr


def test_a_measurement_of_chosen_samples_is_not_recorded(workdir):
    restored = load.load(workdir)
    (plain,) = distribution.samples(restored, num_images=24, seed=0)
    (best,) = distribution.samples(restored, num_images=8, seed=0, best_of=3)
    nearest = [np.abs(plain - image).max(axis=(1, 2, 3)).argmin() for image in best]
    np.testing.assert_array_equal(np.array(nearest) // 3, np.arange(8))
    np.testing.assert_allclose(best, plain[nearest], atol=1e-5)
    command = [sys.executable, '-m', 'experiments.evaluate', f'--workdir={workdir}', '--num=16']
    before = (workdir / 'evaluations.jsonl').exists()
    done = subprocess.run(
        [*command, '--best_of=2', '--measure=kid'],
        capture_output=True,
        text=True,
        cwd=test_configs.ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert (
        'With the best of 2 by fashion_classifier; not recorded in evaluations.jsonl.'
        in done.stdout
    )
    assert (workdir / 'evaluations.jsonl').exists() == before


def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    """There is no run at all, so that a refusal of the output comes first."""
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full/000034.png').write_bytes(b'mine')
    (tmp_path / 'sheet.png').write_bytes(b'mine')
    command = [sys.executable, '-m', 'experiments.sample', f'--workdir={tmp_path}/none']
    for output, sentence in {
        'x.jpg': 'cannot be written: give a folder',
        'full': 'exists: name another --output, or give --overwrite',
        'sheet.png': 'exists: name another --output, or give --overwrite',
    }.items():
        done = subprocess.run(
            [*command, f'--output={tmp_path / output}'], capture_output=True, text=True
        )
        assert done.returncode == 1 and sentence in done.stderr
    assert (tmp_path / 'full/000034.png').read_bytes() == b'mine'


@pytest.mark.parametrize(
    ('given', 'sentence'),
    [
        (['--again=a.png', '--num=3'], '--num does nothing with --again: leave it out'),
        (['--project=a.png', '--interpolate'], '--interpolate does nothing with --project'),
        (['--project=a.png', '--truncation=1'], '--truncation does nothing with --project'),
        (['--frames=3'], '--frames does nothing without --interpolate'),
    ],
)
def test_flags_that_nothing_reads_are_refused(tmp_path, given, sentence):
    places = f'--workdir={tmp_path}/none', f'--output={tmp_path}/x.png'
    with (
        commands.imported('experiments.sample') as sample,
        commands.flags_given(*places, *given),
        pytest.raises(UserError, match=sentence),
    ):
        sample.main([])


def test_classes_are_drawn_by_the_seed_and_the_image_alone(workdir):
    restored = load.load(workdir)
    restored = restored._replace(method=restored.method._replace(num_classes=10))
    few, many = (
        sampling.draw_labels(keys.stream(0, 'sample'), restored, count) for count in (5, 50)
    )
    np.testing.assert_array_equal(few, many[:5])
    assert len(set(many.tolist())) == 10
    assert (sampling.draw_labels(keys.stream(1, 'sample'), restored, 50) != many).any()


def test_a_walk_comes_back_and_takes_small_steps(workdir):
    restored = load.load(workdir)
    key = keys.stream(0, 'sample')
    path = sampling.walk(key, restored, 3, frames_between=5)
    done = []
    walk = sampling.from_latents(key, restored, path, advance=done.append)
    assert done == [15]
    assert walk.shape == (15, 28, 28, 1)
    steps = np.abs(walk - np.roll(walk, -1, axis=0)).mean((1, 2, 3))  # The last one leads back.
    stops = walk[::5]
    between_stops = np.abs(stops - np.roll(stops, -1, axis=0)).mean((1, 2, 3))
    assert 0 < steps.max() < between_stops.min()


def test_slerp_keeps_the_length_and_meets_its_ends():
    start, end = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    path = sampling.slerp(start, end, jnp.array([0.0, 1 / 3, 1.0]))
    np.testing.assert_allclose(path, [[1, 0], [np.cos(np.pi / 6), 0.5], [0, 1]], atol=1e-6)
    zero = jnp.zeros_like(start)
    assert np.isfinite(sampling.slerp(zero, start, jnp.array([0.5]))).all()


def test_measures_are_recorded_and_the_best_checkpoint_is_kept(workdir):
    records = [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]
    measured = {record['step']: record['frechet'] for record in records if 'frechet' in record}
    assert sorted(measured) == [1, 2, 3, 4]
    best = min(measured, key=measured.get)
    assert load.load(workdir, which='best').step == best


def test_evaluation_names_counts_extractor_and_floor(workdir):
    restored = load.load(workdir)
    how = evaluate.protocol(restored, num_images=200)
    line = evaluate.evaluate(restored, how)
    assert line['num_generated'] == 200 and line['num_reference'] == 2000
    assert line['digest'] == features.make('fashion_classifier').digest
    assert line['reference'] == 'fashion_mnist test'
    assert line['floor']['frechet'] < line['metrics']['frechet']
    assert line['spread']['kid'] > 0
    evaluate.append(workdir, line)
    assert evaluate.recorded(workdir, restored, how) == json.loads(json.dumps(line))
    for other in (how._replace(seed=1), how._replace(only=('kid',)), how._replace(num_images=201)):
        assert evaluate.recorded(workdir, restored, other) is None


def test_unknown_measure_and_checkpoint_are_named(workdir):
    with pytest.raises(UserError, match='has no checkpoint 17'):
        load.load(workdir, which=17)
    with pytest.raises(UserError, match='--measure=fid is unknown: there are frechet, kid'):
        evaluate.protocol(load.load(workdir), num_images=64, only=['fid'])


@pytest.mark.parametrize(
    'changes, sentence',
    [
        ({'keep_best': True}, 'needs a measurement of every checkpoint'),
        ({'keep_best': True, 'measure_every_steps': 3}, 'to a divisor of'),
    ],
)
def test_a_best_checkpoint_needs_its_measure(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        train.RunConfig(checkpoint_every_steps=10, extractor='pixels', **changes)
    train.RunConfig(
        checkpoint_every_steps=10, extractor='pixels', keep_best=True, measure_every_steps=5
    )
