"""Free sets by name, made by the real code from packages of a few files."""

import io
import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from experiments.prepare import __main__ as prepare
from imggen import data
from imggen.data import decode
from imggen.data.download import packages
from imggen.data.free import make, sets
from imggen.data.loaders import idx
from imggen.errors import UserError
from tests.helpers import debian_package, npm_package

needs_dpkg = pytest.mark.skipif(not shutil.which('dpkg-deb'), reason='dpkg-deb is not installed')


def encoded(height, width, kind, *, channels=3):
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def made(name, output, **options):
    result = make.make(name, output, check=False, options=options)
    pictures = sorted(path.relative_to(output).as_posix() for path in output.rglob('*.png'))
    assert decode.decode(result.sheet).shape[0] >= 96 and result.sheet.parent == output.parent
    return result.count, pictures


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def offer_debian(tmp_path, monkeypatch, name, files):
    (package,) = {package.name for package in sets.SETS[name].packages}
    terms = {f'usr/share/doc/{package}/copyright': b'the terms'}
    debian_package.offer(tmp_path, monkeypatch, package, {**files, **terms})


def offer_npm(tmp_path, monkeypatch, name, files):
    (package,) = sets.SETS[name].packages
    npm_package.offer(tmp_path, monkeypatch, {package.name: files})


def test_mnist_is_read_as_idx_files(tmp_path, monkeypatch):
    for split, count in (('train', 5), ('test', 3)):
        digits = np.random.default_rng(count).integers(0, 256, (count, 28, 28))
        idx.write(tmp_path / 'made', split, digits, np.arange(count))
    files = {
        f'package/data/{path.name}': path.read_bytes() for path in (tmp_path / 'made').iterdir()
    }
    offer_npm(tmp_path, monkeypatch, 'mnist', files)
    assert made('mnist', tmp_path / 'mnist') == (8, [])
    assert 'CC-BY-SA-3.0' in (tmp_path / 'mnist' / 'LICENSE.txt').read_text()
    section = {'name': 'idx', 'path': str(tmp_path / 'mnist')}
    images, labels = data.examples(section, split='test')
    assert images.shape == (3, 28, 28, 1) and labels.tolist() == [0, 1, 2]


def test_drawings_keep_their_transparency(tmp_path, monkeypatch):
    files = {f'package/assets/{n}.webp': encoded(6, 6, 'WEBP', channels=4) for n in '12'}
    offer_npm(tmp_path, monkeypatch, 'fluent', files)
    assert made('fluent', tmp_path / 'set') == (2, ['1.png', '2.png'])
    assert decode.read(tmp_path / 'set' / '1.png').alpha is not None


def test_pairs_leave_out_flags_and_skin_tones_and_are_read_as_pairs(tmp_path, monkeypatch, cache):
    pytest.importorskip('resvg_py')
    table = 'hexcode,group,subgroups,skintone,openmoji_tags\nAA,smileys,face,,\nCC,people,hand,1,\n'
    table += 'BB,flags,country-flag,,\nEE,extras,symbol,,"pride flag, agender"\nDD,objects,tool,,\n'
    svg = '<svg viewBox="0 0 9 9" xmlns="http://www.w3.org/2000/svg">{}</svg>'
    square = '<rect x="1" y="1" width="5" height="5" fill="{}"/>'
    files = {'package/data/openmoji.csv': table.encode(), 'package/LICENSE.txt': b'the terms'}
    for code in ('AA', 'BB', 'CC', 'DD', 'EE'):
        for kind, fill in (('black', 'black'), ('color', 'red')):
            content = svg.format(square.format(fill)).encode()
            files[f'package/{kind}/svg/{code}.svg'] = content
    offer_npm(tmp_path, monkeypatch, 'openmoji', files)
    found = made('openmoji', tmp_path / 'set', side=18)
    assert found == (2, ['color/AA.png', 'color/DD.png', 'line/AA.png', 'line/DD.png'])
    assert 'the terms' in (tmp_path / 'set' / 'LICENSE.txt').read_text()
    section = {'name': 'pairs', 'task': 'two_folders', 'size': (18, 18)}
    section |= {'path': f'{tmp_path}/set/line', 'target_path': f'{tmp_path}/set/color'}
    pairs = data.paired_examples(section, split='train')
    assert pairs['input'][0, 4, 4].tolist() == [0, 0, 0]
    assert pairs['target'][0, 4, 4].tolist() == [255, 0, 0]
    assert pairs['input'][0, 17, 17].tolist() == [255, 255, 255]


def test_icons_have_a_folder_for_each_artist_and_none_that_was_taken_back(tmp_path, monkeypatch):
    pytest.importorskip('resvg_py')
    dot = '<circle cx="12" cy="4" r="2" fill="red"/>'
    terms = json.dumps({'license': {'title': 'free for all'}}).encode()
    offered = {}
    for package in sets.SETS['icons'].packages:
        collection = {
            'width': 16,
            'height': 8,
            'icons': {
                'dot': {'body': dot},
                'moved': {'body': dot, 'left': 8, 'width': 8},
                'old': {'body': dot, 'hidden': True},
            },
        }
        content = json.dumps(collection).encode()
        offered[package.name] = {'package/icons.json': content, 'package/info.json': terms}
    npm_package.offer(tmp_path, monkeypatch, offered)
    count, pictures = made('icons', tmp_path / 'set', side=32)
    assert count == len(pictures) == 2 * len(offered)
    assert not [name for name in pictures if 'old' in name]
    assert 'twemoji/dot.png' in pictures and 'twemoji/moved.png' in pictures
    assert (tmp_path / 'set' / 'LICENSE.txt').read_text().count('free for all') == len(offered)
    # A drawing keeps its proportions: the dot lies at 3/4 of the width, or in the middle.
    for name, x in (('dot', 24), ('moved', 16)):
        opacity = decode.read(tmp_path / 'set' / 'twemoji' / f'{name}.png').alpha
        assert opacity.shape == (32, 32)
        assert opacity[:, x].max() == 255 and opacity[:, :8].max() == 0


def offer_icons(tmp_path, monkeypatch, content):
    files = {'package/icons.json': content, 'package/info.json': b'{}'}
    packages = sets.SETS['icons'].packages
    npm_package.offer(tmp_path, monkeypatch, {package.name: files for package in packages})


def test_an_icon_without_a_size_has_that_of_iconify(tmp_path, monkeypatch):
    pytest.importorskip('resvg_py')
    icons = {'corner': {'body': '<rect x="12" y="12" width="4" height="4"/>'}}
    offer_icons(tmp_path, monkeypatch, json.dumps({'icons': icons}).encode())
    made('icons', tmp_path / 'set', side=16)
    opacity = decode.read(tmp_path / 'set' / 'twemoji' / 'corner.png').alpha
    assert opacity[12:, 12:].min() == 255 and opacity[:12].max() == 0


@pytest.mark.parametrize('name', ['../outside', 'sub/outside', ''])
def test_a_name_in_a_package_does_not_lead_out_of_the_folder(name, tmp_path, monkeypatch):
    pytest.importorskip('resvg_py')
    icons = {name: {'body': '<circle r="2"/>'}}
    offer_icons(tmp_path, monkeypatch, json.dumps({'icons': icons}).encode())
    with pytest.raises(UserError, match='names a picture'):
        made('icons', tmp_path / 'set')
    assert not list(tmp_path.rglob('*outside*')) and not (tmp_path / 'set').exists()


def test_a_code_of_openmoji_does_not_lead_out_of_the_folder(tmp_path, monkeypatch):
    pytest.importorskip('resvg_py')
    table = b'hexcode,group,subgroups,skintone,openmoji_tags\n../../AA,smileys,face,,\n'
    svg = b'<svg viewBox="0 0 9 9" xmlns="http://www.w3.org/2000/svg"/>'
    files = {'package/data/openmoji.csv': table, 'package/LICENSE.txt': b'the terms'}
    files |= {f'package/{kind}/svg/AA.svg': svg for kind in ('black', 'color')}
    offer_npm(tmp_path, monkeypatch, 'openmoji', files)
    with pytest.raises(UserError, match='names a picture'):
        made('openmoji', tmp_path / 'set')
    assert not (tmp_path / 'set').exists()


@pytest.mark.parametrize('attribute', ['href', 'xlink:href'])
def test_a_drawing_does_not_read_files_of_this_machine(attribute, tmp_path, monkeypatch):
    pytest.importorskip('resvg_py')
    (tmp_path / 'secret.png').write_bytes(encoded(8, 8, 'PNG'))
    body = f'<image {attribute}="{tmp_path}/secret.png" width="16" height="16"/>'
    offer_icons(tmp_path, monkeypatch, json.dumps({'icons': {'spy': {'body': body}}}).encode())
    with pytest.raises(UserError, match='refers to another file'):
        made('icons', tmp_path / 'set')


@pytest.mark.parametrize(
    'content',
    [
        b'no json',
        b'[]',
        b'{}',
        b'{"icons": {"a": {}}}',
        b'{"icons": {"a": {"body": "", "width": "1 1"}}}',
        b'{"icons": {"a": {"body": "<circle"}}}',
    ],
)
def test_icons_that_cannot_be_drawn_are_refused(content, tmp_path, monkeypatch):
    pytest.importorskip('resvg_py')
    offer_icons(tmp_path, monkeypatch, content)
    with pytest.raises(UserError, match='fetch another version'):
        made('icons', tmp_path / 'set')
    assert not (tmp_path / 'set').exists()


@pytest.mark.parametrize('name', ['icons', 'openmoji'])
def test_drawings_need_a_package_and_say_which(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'resvg_py', None)
    with pytest.raises(UserError, match=rf'set {name} needs .*imggen\[svg\]'):
        made(name, tmp_path / 'set')


@needs_dpkg
def test_sprites_lie_in_a_folder_for_each_unit(tmp_path, monkeypatch):
    root = 'usr/share/games/wesnoth/1.16/data/core/images/'
    sprite = encoded(72, 72, 'PNG', channels=4)
    files = dict.fromkeys(
        [
            f'{root}units/elves/archer.png',
            f'{root}units/elves/archer+female-bow.png',
            f'{root}units/elves/scout/scout-die-1.png',
            f'{root}units/unknown-unit.png',
            f'{root}portraits/elves/archer.png',
        ],
        sprite,
    )
    files[f'{root}units/elves/tall.png'] = encoded(90, 72, 'PNG', channels=4)
    offer_debian(tmp_path, monkeypatch, 'sprites', files)
    count, pictures = made('sprites', tmp_path / 'set')
    assert (count, pictures) == (
        3,
        [
            'elves/archer/archer+female-bow.png',
            'elves/archer/archer.png',
            'elves/scout/scout-scout-die-1.png',
        ],
    )
    assert made('portraits', tmp_path / 'portraits') == (1, ['elves/archer.png'])


@needs_dpkg
def test_photographs_are_reduced_never_enlarged(tmp_path, monkeypatch):
    land = 'usr/share/games/endless-sky/plugins/endless-sky-high-dpi/images/land/'
    files = {
        f'{land}sea@2x.jpg': encoded(40, 80, 'JPEG'),
        f'{land}small.jpg': encoded(9, 9, 'JPEG'),
    }
    offer_debian(tmp_path, monkeypatch, 'landscapes', files)
    assert made('landscapes', tmp_path / 'set', side=20) == (2, ['sea.png', 'small.png'])
    assert decode.decode(tmp_path / 'set' / 'sea.png').shape == (10, 20, 3)
    assert decode.decode(tmp_path / 'set' / 'small.png').shape == (9, 9, 3)


def test_a_name_may_be_that_of_a_folder_above_or_excluded(tmp_path):
    pictures = sets.SETS['photographs'].packages[-1]
    for name in ('Sea', 'GreyDay'):
        path = tmp_path / f'usr/share/wallpapers/{name}/contents/images/2560x1600.jpg'
        path.parent.mkdir(parents=True)
        path.write_bytes(encoded(8, 8, 'JPEG'))
    chosen = packages._chosen(pictures, tmp_path)
    fetched = packages.Fetched(tmp_path, chosen, '')
    written = list(sets.SETS['photographs'].write(lambda: [fetched], tmp_path / 'set', side=8))
    assert len(written) == 1 and (tmp_path / 'set' / 'Sea.png').is_file()


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    offer_npm(tmp_path, monkeypatch, 'fluent', {'package/assets/1.webp': b'no picture'})
    with pytest.raises(UserError, match='holds other files'):
        make.make('fluent', tmp_path / 'set', options={})
    with pytest.raises(UserError, match=r'1\.webp cannot be read'):
        make.make('fluent', tmp_path / 'set', check=False, options={})
    (tmp_path / 'set.png').touch()
    with pytest.raises(UserError, match='where the sheet would go, exists: remove it'):
        make.make('fluent', tmp_path / 'set', options={})
    assert not (tmp_path / 'set').exists()


def test_the_declarations_are_complete():
    for name, dataset in sets.SETS.items():
        assert dataset.license and dataset.megabytes and 'FOLDER' in dataset.usage, name
        for package in dataset.packages:
            assert len(package.sha256) == 64, package


def test_help_lists_sets_with_licenses_and_commands(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['prepare', '--help'])
    assert prepare.main() == 0
    said = capsys.readouterr().out
    for name, dataset in sets.SETS.items():
        assert f'  {name} ' in said and dataset.license in said
    assert '  faces ' in said and '  bicubic ' in said and 'named ' not in said
    monkeypatch.setattr(sys, 'argv', ['prepare', 'emojis'])
    assert prepare.main() == 1
    assert "did you mean 'emoji'" in capsys.readouterr().err
