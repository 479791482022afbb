"""The bicubic resizing of MATLAB, and the data of a benchmark that is made with it."""

import subprocess
import sys

import jax
import numpy as np
import pytest
import skimage.data
from PIL import Image

from imggen import images
from imggen.data.imresize import imresize

CAT = skimage.data.chelsea()[:48, :80].astype(np.float64)
# The weights with which MATLAB halves a row, and with which it doubles one.
HALF = np.array([-0.01171875, -0.03515625, 0.11328125, 0.43359375])
DOUBLE = np.array([-0.0234375, 0.2265625, 0.8671875, -0.0703125])


def test_halving_has_the_weights_of_matlab_and_mirrors_the_border():
    row = CAT[:1]
    padded = np.pad(row, ((0, 0), (3, 3), (0, 0)), mode='symmetric')
    weights = np.concatenate([HALF, HALF[::-1]])
    expected = [weights @ padded[0, first : first + 8] for first in range(0, 80, 2)]
    np.testing.assert_allclose(imresize(row, (1, 40))[0], expected, rtol=1e-12)


def test_doubling_has_the_weights_of_matlab_and_mirrors_the_border():
    column = CAT[:, :1]
    padded = np.pad(column, ((2, 2), (0, 0), (0, 0)), mode='symmetric')[:, 0]
    enlarged = imresize(column, (96, 1))[:, 0]
    even = [DOUBLE @ padded[first : first + 4] for first in range(48)]
    odd = [DOUBLE[::-1] @ padded[first + 1 : first + 5] for first in range(48)]
    np.testing.assert_allclose(enlarged[::2], even, rtol=1e-12)
    np.testing.assert_allclose(enlarged[1::2], odd, rtol=1e-12)


@pytest.mark.parametrize('size', [(12, 20), (17, 33), (96, 100), (5, 160)])
def test_inside_it_is_the_antialiased_bicubic_of_jax(size):
    found = imresize(CAT, size)
    theirs = jax.image.resize(CAT.astype(np.float32), (*size, 3), 'bicubic', antialias=True)
    edges = [-(-2 * max(new, old) // old) for new, old in zip(size, CAT.shape, strict=False)]
    inner = tuple(slice(edge, -edge) for edge in edges)
    np.testing.assert_allclose(found[inner], theirs[inner], atol=2e-3)
    np.testing.assert_allclose(imresize(np.full((48, 80, 1), 7.0), size), 7.0, rtol=1e-12)


def test_a_benchmark_has_targets_reductions_and_their_enlargements(tmp_path):
    source = tmp_path / 'source' / 'cats'
    images.write_png(source / 'one.png', CAT.astype(np.uint8))
    Image.fromarray(CAT[:46, :51].astype(np.uint8)).save(source / 'two.jpg', quality=100)
    command = [sys.executable, '-m', 'experiments.prepare', 'bicubic', '--scale=4']
    command += [f'--input={tmp_path / "source"}', f'--output={tmp_path / "made"}']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    def read(version, name):
        return np.asarray(Image.open(tmp_path / 'made' / version / 'cats' / name))

    assert read('target', 'two.png').shape == (44, 48, 3)
    assert read('small', 'two.png').shape == (11, 12, 3)
    np.testing.assert_array_equal(read('target', 'one.png'), CAT)
    small, bicubic = read('small', 'one.png'), read('bicubic', 'one.png')
    np.testing.assert_allclose(small, np.clip(imresize(CAT, (12, 20)), 0, 255), atol=0.501)
    np.testing.assert_allclose(bicubic, np.clip(imresize(small, (48, 80)), 0, 255), atol=0.501)
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 1 and 'is not empty' in again.stderr
