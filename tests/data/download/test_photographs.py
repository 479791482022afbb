"""Photographs from packages: which, their size, and the error for a missing package."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from experiments.prepare import photographs as fetch_photographs
from imggen.data.download import photographs
from imggen.errors import UserError
from tests.helpers import debian_package


def _jpeg(height, width):
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(stream, 'JPEG')
    return stream.getvalue()


pytestmark = pytest.mark.skipif(not shutil.which('dpkg-deb'), reason='dpkg-deb is not installed')
SOURCES = {'pictures': ('usr/share/*/contents/images/9x9.jpg', ('Drawn',))}


@pytest.fixture
def package(tmp_path, monkeypatch):
    files = {
        'usr/share/Sea/contents/images/9x9.jpg': _jpeg(40, 80),
        'usr/share/Drawn/contents/images/9x9.jpg': _jpeg(9, 9),
        'usr/share/Small/contents/images/9x9.jpg': _jpeg(12, 10),
        'usr/share/Small/contents/screenshot.jpg': _jpeg(3, 3),
    }
    debian_package.offer(tmp_path, monkeypatch, 'pictures', files)


@pytest.mark.usefixtures('package')
def test_pictures_are_reduced_never_enlarged_and_drawings_left_out():
    found = dict(photographs.photographs(side=20, sources=SOURCES))
    assert {name: picture.shape for name, picture in found.items()} == {
        'Sea': (10, 20, 3),
        'Small': (12, 10, 3),
    }


@pytest.mark.usefixtures('package')
def test_a_package_that_cannot_be_downloaded_is_named():
    with pytest.raises(
        UserError, match=r'package missing-one cannot be downloaded: .*Unable to locate'
    ):
        list(photographs.photographs(side=20, sources={'missing-one': ('*.jpg', ())}))


@pytest.mark.usefixtures('package')
def test_a_package_that_holds_other_files_is_named():
    with pytest.raises(UserError, match=r'pictures no longer holds usr/\*\.jpg'):
        list(photographs.photographs(side=20, sources={'pictures': ('usr/*.jpg', ())}))


@pytest.mark.usefixtures('package')
def test_the_command_writes_pngs_and_says_how_many(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(photographs, 'PICTURES', SOURCES)
    output = tmp_path / 'output'
    fetch_photographs.write(output, side=20)
    assert sorted(path.name for path in output.iterdir()) == ['Sea.png', 'Small.png']
    assert '2 photographs, longer side 20 pixels' in capsys.readouterr().out
