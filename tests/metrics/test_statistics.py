"""Statistics in a file: exact, and refused in a sentence whatever the file holds."""

import contextlib
import io
import pickle
import zipfile

import numpy as np
import pytest

from imggen.errors import UserError
from imggen.metrics import statistics
from imggen.metrics.frechet import Moments, frechet_distance

FEATURES = np.random.default_rng(0).standard_normal((40, 5))
FOUND = statistics.Statistics(Moments.of(FEATURES), 'pixels-0', (8, 6), 'crop')
GOOD = {
    'mu': FEATURES.mean(0),
    'sigma': np.cov(FEATURES.T),
    'count': 40,
    'extractor': 'pixels-0',
    'size': (8, 6),
    'fit': 'crop',
}


def test_what_is_read_is_what_was_written(tmp_path):
    statistics.write(tmp_path / 'found.npz', FOUND)
    read = statistics.read(tmp_path / 'found.npz')
    assert read[1:] == FOUND[1:] and read.moments.count == 40
    assert frechet_distance(read.moments, FOUND.moments) == pytest.approx(0, abs=1e-12)
    np.savez(tmp_path / 'other.npz', **GOOD)
    assert frechet_distance(statistics.read(tmp_path / 'other.npz').moments, read.moments) < 1e-12
    with pytest.raises(UserError, match='cannot be written'):
        statistics.write(tmp_path / 'found.npz' / 'more.npz', FOUND)


@pytest.mark.parametrize(
    'change, reason',
    [
        ({'count': None}, 'it lacks count'),
        ({'mu': np.zeros(4)}, r'mu is \(4,\) and sigma \(5, 5\)'),
        ({'sigma': np.full((5, 5), np.nan)}, 'must be finite numbers'),
        ({'sigma': np.arange(25.0).reshape(5, 5)}, 'sigma is not symmetric'),
        ({'mu': np.array(['a'] * 5)}, 'must be finite numbers'),
        ({'count': 1}, 'not positive'),
        ({'count': np.arange(3)}, 'cannot be read'),
        ({'size': (8,)}, 'cannot be read'),
        ({'size': np.array([None])}, 'cannot be read'),
        ({'mu': np.array([pickle], object)}, 'cannot be read'),
    ],
    ids=str,
)
def test_a_file_of_something_else_is_refused(tmp_path, change, reason, monkeypatch):
    entries = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    with monkeypatch.context() as patch:
        patch.setattr(pickle, 'dump', lambda *_, **__: None)  # A module cannot be pickled.
        np.savez(tmp_path / 'bad.npz', **entries)
    with pytest.raises(UserError, match=reason):
        statistics.read(tmp_path / 'bad.npz')


def npz(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f'{name}.npy', content)
    return file.getvalue()


def header(shape):
    file = io.BytesIO()
    described = {'descr': '<f8', 'fortran_order': False, 'shape': shape}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'no archive',
        npz(mu=bytes(2**21)),
        npz(**dict.fromkeys(GOOD, header((10**12,)))),
        npz(**dict.fromkeys(GOOD, header((10**6, 10**12)))),
        npz(**dict.fromkeys(GOOD, b'nothing')),
    ],
    ids=['empty', 'text', 'bomb', 'huge', 'huger', 'no array'],
)
def test_a_damaged_or_hostile_file_is_refused(tmp_path, content, monkeypatch):
    monkeypatch.setattr(statistics, '_MAX_BYTES', 2**20)
    (tmp_path / 'bad.npz').write_bytes(content)
    with pytest.raises(UserError, match=r'bad.npz (cannot be read|is not an .npz file)'):
        statistics.read(tmp_path / 'bad.npz')


def test_any_flipped_byte_or_cut_is_refused_or_harmless(tmp_path):
    statistics.write(tmp_path / 'good.npz', FOUND)
    good = (tmp_path / 'good.npz').read_bytes()
    for seed in range(150):
        damaged = bytearray(good)
        where = np.random.default_rng(seed).integers(len(good))
        damaged[where] ^= 1 << seed % 8
        (tmp_path / 'bad.npz').write_bytes(damaged[: where if seed % 3 == 0 else None])
        with contextlib.suppress(UserError):
            statistics.read(tmp_path / 'bad.npz')
