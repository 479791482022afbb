"""docs/python.md, every block of it, in order and in one namespace."""

import pathlib
import re
import subprocess
import sys
import types

import numpy as np
import pytest

import imggen
from imggen import images
from imggen.features import alexnet
from imggen.inference.run import Run

PAGE = pathlib.Path(__file__).parents[1] / 'docs' / 'python.md'
BLOCKS = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.DOTALL)


def test_every_block_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pictures = np.random.default_rng(0).integers(0, 256, (6, 48, 48, 3), np.uint8)
    for index, picture in enumerate(pictures):
        images.write_png(tmp_path / 'photographs' / f'{index}.png', picture)
    namespace = {}
    for block in BLOCKS:
        if 'lpips' in block and not _has_lpips():
            continue
        exec(compile(block, 'block of python.md', 'exec'), namespace)
    assert np.isfinite(namespace['distance']).all()
    assert 'translates' in capsys.readouterr().out


def _has_lpips() -> bool:
    try:
        alexnet.pretrained()
    except imggen.UserError:
        return False
    return True


def test_every_export_is_there_and_on_the_page():
    for name in imggen.__all__:
        assert getattr(imggen, name).__doc__
        assert f'imggen.{name}' in ''.join(BLOCKS)
    # A folder of the same name would take the place of the function once it is imported.
    assert not [
        name for name in imggen.__all__ if isinstance(getattr(imggen, name), types.ModuleType)
    ]
    with pytest.raises(AttributeError, match="no attribute 'sampel'"):
        imggen.sampel  # noqa: B018


def test_importing_imggen_imports_no_jax():
    code = 'import imggen, sys; assert not {"jax", "numpy", "absl"} & sys.modules.keys()'
    subprocess.run([sys.executable, '-c', code], check=True)


def test_latents_of_another_size_are_refused():
    method = types.SimpleNamespace(latent_size=4, translation=None, output='generated')
    config = {'method': {'name': 'gan'}}
    run = Run(types.SimpleNamespace(config=config, method=method, state=None, step=1))
    with pytest.raises(imggen.UserError, match=r'shape \(2, 3\) do not make 2 .* takes \(2, 4\)'):
        run.sample(2, latent=np.zeros((2, 3)))
