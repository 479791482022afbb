"""A GAN on sub-folders with transparent pictures: names, sheets, samples and latents, as files."""

import json
import os
import shutil

import numpy as np
import pytest
from absl import flags

from imggen import images, keys
from imggen.data import decode
from imggen.errors import UserError
from imggen.evaluation import distribution, evaluate
from imggen.explore.session import Session
from imggen.inference import load, run, sampling
from imggen.inference.recipe import Recipe
from imggen.training import train
from imggen.workdir import reader
from tests.helpers import commands, hostile

NAMES = ('cats', 'cows', 'dogs')


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
    root = tmp_path_factory.mktemp('set')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(root / 'cache'))
        for number, name in enumerate(NAMES):
            for index in range(4):
                pixels = np.full((8, 8, 4), 80 * number + 9 * index, np.uint8)
                images.write_png(root / 'pictures' / name / f'{index}.png', pixels)
        data = {'name': 'folder', 'path': str(root / 'pictures'), 'size': (8, 8), 'batch_size': 4}
        data |= {'labels': 'folders', 'alpha': True}
        networks = {'generator': {'features': 4}, 'discriminator': {'features': 4}}
        method = {'name': 'gan', 'network': 'dcgan', 'num_steps': 2, 'latent_size': 4, **networks}
        method |= {'num_classes': 3, 'augment': {'kinds': ('color', 'translation', 'cutout')}}
        config = {
            'seed': 0,
            'data': data,
            'method': method,
            'run': {'num_samples': 7, 'checkpoint_every_steps': 1},
        }
        train.train(config, root / 'run')
        yield root / 'run'


@pytest.fixture(scope='module')
def sample():
    with commands.imported('experiments.sample') as command:
        yield command


@pytest.fixture
def call(sample, workdir, tmp_path):
    """Runs the command `sample`; returns its output."""

    def call(*arguments, name='out'):
        output = tmp_path / name
        try:
            flags.FLAGS(
                ['sample', f'--workdir={workdir}', f'--output={tmp_path}/{name}', *arguments]
            )
            sample.main([])
        finally:
            for flag in (
                'num',
                'label',
                'interpolate',
                'project',
                'frames',
                'best_of',
                'extractor',
            ):
                flags.FLAGS[flag].unparse()
        return output

    return call


def test_names_are_recorded_and_each_class_has_a_row(workdir):
    info = json.loads((workdir / 'run.json').read_text())
    assert info['class_names'] == list(NAMES) and info['class_counts'] == [4, 4, 4]
    assert '3 classes: cats (4), cows (4), dogs (4)' in info['source']
    # Seven samples make three rows of two, enlarged four times, over a checkerboard.
    sheet = decode.decode(workdir / 'samples' / '000002.png')
    assert sheet.shape == (3 * 34 - 2, 2 * 34 - 2, 3)


def test_a_class_is_chosen_by_name_or_number(workdir):
    restored = load.load(workdir)
    assert restored.class_names == NAMES
    assert [sampling.class_number(restored, label) for label in ('dogs', '2', 2)] == [2, 2, 2]
    named = restored._replace(class_names=('3', '7', '9'))
    assert sampling.class_number(named, '7') == 1
    for label, said in (
        ('dog', "did you mean 'dogs'"),
        (3, 'its classes are 0 to 2'),
        ('9' * 5000, ''),
    ):
        with pytest.raises(UserError, match=f'has no class .*{said}'):
            sampling.class_number(restored, label)
    loaded = run.load(workdir)
    np.testing.assert_array_equal(loaded.sample(2, label='dogs'), loaded.sample(2, label=2))
    assert (loaded.sample(2, label='dogs') != loaded.sample(2, label='cats')).any()


def test_classes_are_drawn_as_often_as_they_were_trained_on(workdir):
    balanced = load.load(workdir)
    assert balanced.class_counts == (4, 4, 4)
    restored, key = balanced._replace(class_counts=(1, 0, 3)), keys.stream(0, 'sample')
    labels = sampling.drawn(key, restored, np.arange(2000))['label']
    found = np.bincount(labels, minlength=3)
    assert found[1] == 0 and abs(found[0] - 500) < 80  # Four standard deviations.
    own = next(sampling.generate(key, restored, 8))['generated']
    same = next(sampling.generate(key, balanced, 8, label=labels[:8]))['generated']
    np.testing.assert_array_equal(own, same)
    one = sampling.from_keys(restored, keys.per_image(key, 8)[3:4])[0]
    np.testing.assert_allclose(one, own[3], atol=1e-5)
    chosen = sampling.draw_labels(key, restored, 2000)
    assert abs(np.count_nonzero(chosen == 0) - 500) < 80
    # Classes without a count were not trained on.
    two = balanced._replace(class_counts=(5, 5))
    assert set(sampling.drawn(key, two, np.arange(100))['label']) == {0, 1}
    # Equal counts, and counts that a run does not know, leave the method its own draws.
    unknown = next(sampling.generate(key, balanced._replace(class_counts=()), 8))['generated']
    np.testing.assert_array_equal(next(sampling.generate(key, balanced, 8))['generated'], unknown)


def test_counts_of_any_number_of_classes_are_read_and_those_of_others_refused(workdir, tmp_path):
    shutil.copytree(workdir, tmp_path / 'run')
    info = json.loads((workdir / 'run.json').read_text())
    (tmp_path / 'run' / 'run.json').write_text(json.dumps({**info, 'class_counts': [1] * 100}))
    assert len(reader.read(tmp_path / 'run').info['class_counts']) == 100
    with pytest.raises(UserError, match='class_counts of 100 classes, and the method has 3'):
        load.load(tmp_path / 'run')


def test_a_run_that_goes_on_keeps_the_counts_that_it_began_with(workdir, tmp_path):
    shutil.copytree(workdir, tmp_path / 'run')
    run = reader.read(tmp_path / 'run')
    shutil.rmtree(tmp_path / 'run' / 'checkpoints' / '2')
    for counts in ([1, 2, 9], None):
        info = {**run.info, 'class_counts': counts}
        if counts is None:
            del info['class_counts']
        (tmp_path / 'run' / 'run.json').write_text(json.dumps(info))
        assert train.train(run.config, tmp_path / 'run').finished
        assert load.load(tmp_path / 'run').class_counts == tuple(counts or ())
        shutil.rmtree(tmp_path / 'run' / 'checkpoints' / '2')


def test_a_measurement_during_training_draws_classes_as_often_as_they_are_trained_on(
    workdir, tmp_path
):
    config = reader.read(workdir).config
    shutil.copytree(config['data']['path'], tmp_path / 'pictures')
    shutil.rmtree(tmp_path / 'pictures' / 'cows')
    for index in range(3):
        (tmp_path / 'pictures' / 'cats' / f'{index}.png').unlink()
    watched = {'measure_every_steps': 2, 'num_measured': 32, 'extractor': 'pixels'}
    config = {
        **config,
        'data': {**config['data'], 'path': str(tmp_path / 'pictures')},
        'method': {**config['method'], 'num_classes': 2},
        'run': watched,
    }
    train.train(config, tmp_path / 'run')
    restored = load.load(tmp_path / 'run')
    assert restored.class_counts == (1, 4)
    parts = restored.method, restored.config, restored.batch
    how = {'extractor': 'pixels', 'mesh': restored.mesh, 'num_images': 32}
    anew, equal = (
        distribution.during_training(*parts, **how, class_counts=counts)(2, restored.state)
        for counts in ((1, 4), ())
    )
    recorded, _ = reader.read(tmp_path / 'run').records.last['frechet']
    assert recorded == pytest.approx(anew['frechet'], rel=1e-4)
    assert abs(recorded / equal['frechet'] - 1) > 1e-3


def test_files_have_opacity_and_their_latents_make_them_again(workdir, call):
    folder = call('--num=3', '--label=cows')
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f'{index:06d}.png' for index in range(3)),
        'latents.npz',
    ]
    pictures = np.stack([decode.decode_alpha(path) for path in sorted(folder.glob('*.png'))])
    saved = np.load(folder / 'latents.npz')
    assert saved['label'].tolist() == [1, 1, 1] and saved['step'] == 2
    again = run.load(workdir).sample(3, latent=saved['latent'], label=1)
    again[again[..., 3] == 0] = 0
    np.testing.assert_allclose(pictures.astype(int), again.astype(int), atol=1)


def test_drawn_labels_are_those_of_the_images(workdir, call):
    saved = np.load(call('--num=5').joinpath('latents.npz'))
    loaded = run.load(workdir)
    images_of = [
        loaded.sample(5, latent=saved['latent'], label=int(label))[index]
        for index, label in enumerate(saved['label'])
    ]
    difference = np.stack(images_of).astype(int) - loaded.sample(5)
    assert np.abs(difference).max() <= 1 and len(set(saved['label'].tolist())) > 1


def test_classes_that_are_easy_do_not_win(workdir, call):
    """The candidates of an image share the class that was drawn for it."""
    restored = load.load(workdir)
    drawn = sampling.draw_labels(keys.stream(0, 'sample'), restored, 20)
    output = call('--num=20', '--best_of=4', '--extractor=pixels')
    np.testing.assert_array_equal(np.load(output / 'latents.npz')['label'], drawn)
    rows = call('--num=2', '--label=all', '--best_of=3', '--extractor=pixels', name='rows.png')
    labels = np.load(f'{rows}.npz')['label']
    np.testing.assert_array_equal(labels, [0, 0, 1, 1, 2, 2])


def test_all_classes_are_one_row_each(call, capsys):
    capsys.readouterr()
    sheet = call('--num=4', '--label=all', name='all.png')
    assert 'classes, 4 of each in this order: cats, cows, dogs\n' in capsys.readouterr().out
    assert decode.decode(sheet).shape == (3 * 34 - 2, 4 * 34 - 2, 3)
    saved = np.load(f'{sheet}.npz')
    assert saved['label'].tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_latents_and_labels_make_images_again_whatever_their_number(workdir):
    restored, key, count = load.load(workdir), keys.stream(0, 'sample'), 300
    drawn = sampling.drawn(key, restored, np.arange(count))
    made = run.load(workdir).sample(count, latent=drawn['latent'], label=drawn['label'])
    own = run.load(workdir).sample(count)
    assert np.abs(made.astype(int) - own).max() <= 1
    for labels, said in (
        (np.zeros(2, int), 'for 3 images'),
        (np.zeros(3), 'type float64 for 3 images'),
        (np.array(2), 'for 3 images'),
        (np.arange(3) + 1, 'labels from 1 to 3: the classes of the run are 0 to 2'),
    ):
        with pytest.raises(UserError, match=said):
            run.load(workdir).sample(3, label=labels)
    np.testing.assert_array_equal(
        run.load(workdir).sample(3, label=[2, 2, 2]), run.load(workdir).sample(3, label='dogs')
    )
    with pytest.raises(UserError, match='n=0 asks for no image'):
        run.load(workdir).sample(0)
    with pytest.raises(UserError, match='has no classes'):
        run.load('drawings').sample(2, label=[0, 1])
    alone = run.load(workdir).sample(count, latent=drawn['latent'])  # Draws the same classes.
    assert np.abs(alone.astype(int) - own).max() <= 1


def test_a_picture_that_cannot_be_projected_is_named_with_the_flag(call, tmp_path):
    os.mkfifo(tmp_path / 'pipe.png')
    with pytest.raises(UserError, match=r'pipe\.png cannot be read .*file in --project'):
        call(f'--project={tmp_path / "pipe.png"}', name='out.png')


def test_walks_and_projections_leave_latents(workdir, call):
    film = call('--num=2', '--frames=3', '--interpolate', '--label=cats', name='walk.webp')
    saved = np.load(f'{film}.npz')
    assert saved['latent'].shape == (6, 4) and set(saved['label'].tolist()) == {0}
    given = next((workdir.parent / 'pictures' / 'dogs').iterdir())
    found = call(f'--project={given}', '--label=dogs', name='found.png')
    assert np.load(f'{found}.npz')['latent'].shape == (1, 4)
    with pytest.raises(UserError, match=r'walk\.webp exists: name another --output'):
        call('--num=2', '--frames=3', '--interpolate', name='walk.webp')
    call('--num=2', '--frames=1', '--interpolate', name='walk.gif')  # Has latents of its own.
    with pytest.raises(UserError, match='--num=1 is no walk'):
        call('--num=1', '--interpolate', name='still.gif')


def test_a_name_that_ends_in_a_slash_is_a_folder_and_a_sheet_has_a_size(call, tmp_path):
    call('--num=2', name='dogs.v2/')
    assert sorted(path.name for path in (tmp_path / 'dogs.v2').iterdir()) == [
        '000000.png',
        '000001.png',
        'latents.npz',
    ]
    with pytest.raises(UserError, match='makes a sheet of 100,000,000 images'):
        call('--num=100000000', name='sheet.png')


def test_transparent_images_are_measured_over_white(workdir, monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    restored = load.load(workdir)
    how = evaluate.protocol(restored, num_images=8, extractor='pixels')
    assert evaluate.evaluate(restored, how)['metrics']['frechet'] >= 0


def test_the_page_of_the_run_names_its_classes(workdir):
    session = Session(workdir)
    assert tuple(session.about()['classes']) == NAMES
    (made,) = session.samples(1, Recipe(0, label=2))
    assert made.about == 'seed 0, image 0, class dogs, step 2'
    assert '--label=dogs' in made.command


def test_the_page_searches_for_a_picture_with_or_without_transparency(workdir):
    session = Session(workdir)
    for shape in ((20, 20), (20, 20, 3), (20, 20, 4)):
        picture = np.full(shape, 99, np.uint8)
        given, found = session.find(hostile.encoded(picture), 'x.png', Recipe(0, label=2))
        assert given.pixels.shape[-1] == 4 and found.about.startswith('found for x.png')
        assert '--label=dogs' in found.command
