"""Two folders of images compared with each other as distributions."""

import jax
import numpy as np
import pytest

from imggen import devices, features, images
from imggen.errors import UserError
from imggen.evaluation import folders
from imggen.features.extractor import Extractor
from imggen.metrics import statistics

RNG = np.random.default_rng(0)


def fill(folder, count, size=(8, 8), channels=3, *, low=0, high=256):
    """Writes noise; the names go on where the folder ends."""
    first = len(list(folder.glob('*'))) if folder.exists() else 0
    for index in range(first, first + count):
        pixels = RNG.integers(low, high, (*size, channels), dtype=np.uint8)
        images.write_png(folder / f'{index}.png', pixels)
    return str(folder)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def fed():
    """The batches that `extractor` is fed."""
    return []


@pytest.fixture
def extractor(fed, monkeypatch):
    """Says that it takes images of 8 x 8, and notes what it is fed, on one device."""
    one = devices.make_mesh(devices=jax.devices()[:1])
    monkeypatch.setattr(devices, 'make_mesh', lambda: one)

    def apply(params, batch):
        del params
        jax.debug.callback(fed.append, batch, ordered=True)
        return {'features': batch[:, ::4, ::4].reshape(len(batch), -1)}

    return Extractor('recorder', {}, apply, 'recorder', size=8)


def test_a_size_that_nearly_all_share_is_kept(tmp_path, extractor):
    made = fill(tmp_path / 'made', 30, (12, 16))
    real = fill(tmp_path / 'real', 30, (12, 16))
    fill(tmp_path / 'real', 1, (9, 9))
    line = folders.distributions(folders.Folders(made, real), extractor, only=['frechet'])
    assert '1 of 61 images were resized to 12 x 16 (crop, antialiased).' in line['note']


def test_otherwise_it_is_the_size_of_the_extractor_however_common_another_is(
    tmp_path, extractor, fed
):
    made, real = fill(tmp_path / 'made', 8, (12, 16)), fill(tmp_path / 'real', 2, (9, 9))
    for width in range(10, 16):
        fill(tmp_path / 'real', 1, (20, width))
    given = folders.Folders(made, real)
    line = folders.distributions(given, extractor, only=['frechet'])
    assert '16 of 16 images were resized to 8 x 8' in line['note']
    jax.effects_barrier()
    assert {batch.shape for batch in fed} == {(32, 8, 8, 3)}  # Not 256, for 8 images.
    # Copies of one file change the most common size, but not the size of the comparison.
    fill(tmp_path / 'real', 3, (20, 15))
    assert 'to 8 x 8' in folders.distributions(given, extractor, only=['frechet'])['note']
    asked = folders.distributions(
        given._replace(size=(4, 6)), features.make('pixels'), only=['frechet']
    )
    assert 'were resized to 4 x 6' in asked['note']
    with pytest.raises(UserError, match='have 8 sizes, and pixels takes any: give --size'):
        folders.distributions(given, features.make('pixels'))


def test_a_folder_on_both_sides_is_read_once_and_features_are_kept(
    tmp_path, extractor, fed, capsys
):
    def compare(generated, reference):
        given = folders.Folders(generated, reference)
        line = folders.distributions(given, extractor, only=['frechet'])
        jax.effects_barrier()
        return line

    real, made = fill(tmp_path / 'real', 8), fill(tmp_path / 'made', 7)
    line = compare(real, f'{real}/../real')
    assert len(fed) == 1 and line['num_generated'] == line['num_reference'] == 8
    first = compare(made, real)
    assert len(fed) == 2
    shown = capsys.readouterr().err
    assert 'reference image 8/8' in shown and 'generated image 7/7' in shown
    assert compare(made, real) == first
    assert compare(real, made)['metrics']['frechet'] == pytest.approx(first['metrics']['frechet'])
    assert len(fed) == 2


@pytest.mark.parametrize(
    'num_made, num_real, lacking, floors',
    [
        (40, 10, 'are without a floor', {'frechet', 'kid'}),
        (5, 5, 'are left out', {'frechet', 'kid'}),
        (2, 3, 'are left out', set()),
    ],
)
def test_few_images_have_the_metrics_that_they_are_enough_for(
    tmp_path, num_made, num_real, lacking, floors
):
    given = folders.Folders(
        fill(tmp_path / 'made', num_made, (4, 4), 1), fill(tmp_path / 'real', num_real, (4, 4), 1)
    )
    pixels = features.make('pixels')
    line = folders.distributions(given, pixels)
    neighbors = {'precision', 'recall', 'density', 'coverage'} if num_real > 5 else set()
    assert line['metrics'].keys() == {'frechet', 'kid'} | neighbors
    assert line['floor'].keys() == floors | {'frechet_gaussian'}
    assert f'density and coverage {lacking}: they need 6 reference and 4' in line['note']
    alone = folders.distributions(given, pixels, only=['frechet'])
    assert alone['metrics'] == {'frechet': line['metrics']['frechet']}
    if not neighbors:
        with pytest.raises(UserError, match=r'precision does not apply here. .*are left out'):
            folders.distributions(given, pixels, only=['precision'])


def test_gray_and_color_are_compared_as_color(tmp_path):
    gray, color = fill(tmp_path / 'gray', 8, channels=1), fill(tmp_path / 'color', 8)
    line = folders.distributions(
        folders.Folders(gray, color), features.make('pixels'), only=['frechet']
    )
    assert np.isfinite(line['metrics']['frechet'])


def test_stored_statistics_stand_for_their_folder(tmp_path, extractor):
    made, real = fill(tmp_path / 'made', 20, high=128), fill(tmp_path / 'real', 30)
    given = folders.Folders(made, real)
    found = folders.statistics(given._replace(generated=None), extractor)
    file = tmp_path / 'real.npz'
    statistics.write(file, found)
    stored = statistics.read(file)
    line = folders.against(given._replace(reference=str(file)), stored, extractor)
    whole = folders.distributions(given, extractor, only=['frechet'])
    assert line['metrics'] == {'frechet': pytest.approx(whole['metrics']['frechet'], rel=1e-5)}
    assert line['num_reference'] == 30 and line['num_generated'] == 20
    assert line['floor']['frechet_gaussian'] == whole['floor']['frechet_gaussian']
    with pytest.raises(UserError, match='has statistics of recorder-recorder, not of pixels-'):
        folders.against(given, stored, features.make('pixels'))
    with pytest.raises(UserError, match='of images of 8 x 8: leave --size out'):
        folders.against(given._replace(size=(4, 4)), stored, extractor)
    with pytest.raises(UserError, match='--measure=kid needs pictures, and'):
        folders.against(given, stored, extractor, only=['kid'])


def test_a_folder_without_images_is_named_by_its_flag(tmp_path, extractor):
    real = fill(tmp_path / 'real', 3)
    with pytest.raises(UserError, match='is not a folder; set --generated to one'):
        folders.distributions(folders.Folders(str(tmp_path / 'none'), real), extractor)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='empty holds no images to compare: name another --ref'):
        folders.distributions(folders.Folders(real, str(tmp_path / 'empty')), extractor)
    with pytest.raises(UserError, match='--measure=fid is unknown'):
        folders.distributions(folders.Folders(real, real), extractor, only=['fid'])
