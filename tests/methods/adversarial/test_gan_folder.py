"""Training on one difficult folder, which users of other trainers have trouble with.

It has fewer images than a batch, a broken file, gray, transparent and huge images, a size that is
neither square nor a power of two, and sub-folders as classes.
"""

import json

import numpy as np
import pytest
from PIL import Image

from imggen import data, keys
from imggen.errors import UserError
from imggen.inference import animation, load, projection, sampling
from imggen.training import train

SIZE = (37, 53)
CONFIG = {
    'seed': 0,
    'data': {
        'name': 'folder',
        'size': SIZE,
        'labels': 'folders',
        'batch_size': 8,
        'augment': {'flip': True, 'rotation_degrees': 10.0, 'shift': 0.1, 'shear': 0.15},
    },
    'method': {
        'name': 'gan',
        'num_steps': 4,
        'network': 'dcgan',
        'num_classes': 2,
        'generator': {'features': 4, 'max_features': 8},
        'discriminator': {'features': 4, 'max_features': 8},
        'latent_size': 4,
    },
    'run': {
        'log_every_steps': 1,
        'sample_every_steps': 1,
        'checkpoint_every_steps': 2,
        'measure_every_steps': 1,
        'num_measured': 64,
        'extractor': 'pixels',
        'keep_best': True,
        'keep_newest': 1,
        'num_samples': 4,
    },
}


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    for kind in ('cats', 'dogs'):
        (root / kind).mkdir()
    noise = lambda *shape: rng.integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(noise(50, 70, 3)).save(root / 'cats' / 'a.jpg')
    Image.fromarray(noise(20, 20)).save(root / 'cats' / 'gray.png')
    Image.fromarray(noise(64, 33, 4)).save(root / 'dogs' / 'transparent.png')
    Image.fromarray(noise(37, 53, 3)).convert('P').save(root / 'dogs' / 'palette.gif')
    Image.fromarray(noise(1200, 900, 3)).save(root / 'dogs' / 'large.png')
    (root / 'dogs' / 'broken.png').write_bytes(b'\x89PNG\r\n\x1a\n torn off')
    workdir = tmp_path_factory.mktemp('run')
    config = {**CONFIG, 'data': {**CONFIG['data'], 'path': str(root)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        result = train.train(config, workdir)
        yield config, workdir, result


def test_it_trains_on_the_readable_files(run):
    config, workdir, result = run
    assert result.finished
    info = json.loads((workdir / 'run.json').read_text())
    assert '5 images of 37 x 53 x 3 from 6 files, 1 unreadable' in info['source']
    source = data.make(config['data'], seed=0)
    assert source.class_names == ('cats', 'dogs')
    assert 'broken.png cannot be read' in source.skipped[0]
    assert (workdir / 'skipped.txt').read_text() == f'{source.skipped[0]}\n'


def test_any_number_of_images_of_a_class_is_made_in_chunks(run):
    _, workdir, _ = run
    restored = load.load(workdir)
    chunks = list(sampling.generate(keys.stream(0, 'sample'), restored, 21, batch_size=8, label=1))
    assert [len(chunk['generated']) for chunk in chunks] == [8, 8, 5]
    assert chunks[0]['generated'].shape[1:] == (*SIZE, 3)
    with pytest.raises(UserError, match='no class 2: its classes are 0 to 1'):
        next(sampling.generate(keys.stream(0, 'sample'), restored, 1, label=2))


def test_the_best_checkpoint_is_kept_beside_the_newest(run):
    _, workdir, _ = run
    records = [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]
    measured = {record['step']: record['frechet'] for record in records if 'frechet' in record}
    saved = {step: measured[step] for step in (2, 4)}
    assert load.load(workdir, which='best').step == min(saved, key=saved.get)
    assert load.load(workdir).step == 4


def test_truncation_bounds_latents_and_keeps_images_independent(run):
    _, workdir, _ = run
    restored = load.load(workdir)
    key = keys.stream(0, 'sample')
    make = lambda count, **asked: next(
        sampling.generate(key, restored, count, batch_size=8, label=0, **asked)
    )['generated']
    whole, near, nearly = make(8), make(8, truncation=0.5), make(3, truncation=0.5)
    np.testing.assert_allclose(near[:3], nearly, atol=1e-5)
    center = make(8, truncation=1e-3)
    assert center.std(0).max() < near.std(0).mean() < whole.std(0).mean()
    with pytest.raises(UserError, match='leaves no latent'):
        make(1, truncation=0.0)


def test_the_latent_of_a_generated_image_is_found(run):
    _, workdir, _ = run
    restored = load.load(workdir)
    image = next(sampling.generate(keys.stream(3, 'sample'), restored, 1, label=1))['generated']
    found = projection.project(
        keys.stream(0, 'sample'),
        restored,
        image,
        labels=np.array([1]),
        starts=4,
        num_steps=120,
        prior_weight=0.0,
    )
    assert found.latents.shape == (1, 4) and found.images.shape == image.shape
    np.testing.assert_allclose(found.errors, np.mean((found.images - image) ** 2), rtol=1e-3)
    assert found.errors[0] < 0.05 * np.var(image)
    with pytest.raises(UserError, match='but the run makes'):
        projection.project(keys.stream(0, 'sample'), restored, image[:, 1:])


def test_the_film_shows_the_sheets_in_order(run, tmp_path):
    _, workdir, _ = run
    frames = animation.film(workdir)
    assert len(frames) == 4 and frames.dtype == np.uint8
    animation.write(tmp_path / 'film.gif', frames)
    with Image.open(tmp_path / 'film.gif') as film:
        assert film.n_frames == len(np.unique(frames.reshape(4, -1), axis=0))
    with pytest.raises(UserError, match='no run'):
        animation.film(tmp_path)
