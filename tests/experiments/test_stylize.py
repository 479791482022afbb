"""The command stylize: what it runs, what it refuses, and where its pictures go."""

import numpy as np
import pytest
from absl.testing import flagsaver
from PIL import Image

from imggen import images
from imggen.errors import UserError
from imggen.methods.style import scales as scales_lib
from tests.helpers import commands


@pytest.fixture(scope='module')
def stylize():
    with commands.imported('experiments.stylize') as command:
        yield command


@pytest.fixture
def photo(tmp_path):
    images.write_png(tmp_path / 'photo.png', np.full((8, 12, 3), 90, np.uint8))
    return tmp_path / 'photo.png'


@pytest.mark.parametrize(
    ('quality', 'size', 'scales', 'steps', 'in_last_phase'),
    [
        ('draft', 192, (0.5, 1.0), [40, 20], 0),  # The last phase costs most.
        ('good', 256, (0.25, 0.5, 1.0), [200, 200, 200], 200),
        ('best', 512, (0.125, 0.25, 0.5, 1.0), [200, 200, 200, 200], 200),
    ],
)
def test_a_quality_is_a_size_with_scales_down_to_about_64_pixels(
    stylize, quality, size, scales, steps, in_last_phase
):
    with flagsaver.flagsaver(quality=quality, strength=0.3):
        config = stylize._config('a.jpg', 'b.jpg')
    assert config.data.size == size
    assert config.method.scales == scales
    method = config.method
    assert round(method.num_steps * method.split_fraction) == in_last_phase
    plan = scales_lib.plan(method.num_steps - in_last_phase, method.scales, method.shares)
    assert plan == list(zip(scales, steps, strict=True))
    assert config.method.strength == 0.3
    assert (config.data.content, config.data.style, config.data.detail) == ('a.jpg', 'b.jpg', 1.0)


def test_outputs_that_cannot_hold_the_results_are_refused(stylize, photo, tmp_path):
    stylize._check(photo, tmp_path / 'new.jpg')
    with pytest.raises(UserError, match=r'none\.png does not exist: .* as PHOTO'):
        stylize._check(tmp_path / 'none.png', tmp_path / 'new.png')
    with pytest.raises(UserError, match=r'photo\.png exists'):
        stylize._check(photo, photo)
    with pytest.raises(UserError, match=r'new\.txt cannot be written'):
        stylize._check(photo, tmp_path / 'new.txt')
    with pytest.raises(UserError, match='name a folder'):
        stylize._check(tmp_path, tmp_path / 'new.png')
    images.write_png(photo, np.full((8, 12, 4), 90, np.uint8))
    with pytest.raises(UserError, match='cannot hold the transparency'):
        stylize._check(photo, tmp_path / 'new.jpg')
    with pytest.raises(UserError, match='give PHOTO STYLE OUTPUT'):
        stylize.main(['stylize', 'photo.jpg'])


def test_results_are_written_in_the_format_of_the_output(stylize, photo, tmp_path):
    [(written, *size)] = stylize._write(photo.parent, tmp_path / 'out' / 'new.jpg')
    with Image.open(written) as image:
        assert image.format == 'JPEG' and image.size == (12, 8)
    [(written, *size)] = stylize._write(photo.parent, tmp_path / 'folder')
    assert written == tmp_path / 'folder' / 'photo.png' and size == [8, 12]
    np.testing.assert_array_equal(np.asarray(Image.open(written)), 90)
