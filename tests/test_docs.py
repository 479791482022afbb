"""The pages of the documentation: their links, their commands, and the method that they add."""

import ast
import importlib
import importlib.util
import pathlib
import re
import shlex
import shutil
import sys
import types

import numpy as np
import pytest

import imggen
from imggen import keys, methods
from imggen.data.free import sets
from imggen.inference import load, sampling
from imggen.training import train
from tests.helpers import cases
from tests.methods import test_methods as contract

ROOT = pathlib.Path(imggen.__path__[0]).parent
PAGES = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/**/*.md'), *ROOT.glob('results/*.md')])
ADD_A_METHOD = ROOT / 'docs/add_a_method.md'

every_page = pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def code_of(page: pathlib.Path, file: str) -> str:
    """Returns the block of Python that a page shows as the content of a file."""
    return re.search(rf'`{re.escape(file)}`:\n\n```python\n(.*?)```', page.read_text(), re.DOTALL)[
        1
    ]


@pytest.fixture
def config(monkeypatch):
    """The config of the page, cut to a few steps on a small data set; its method is known."""

    def module(file):
        made = types.ModuleType(file.removesuffix('.py').replace('/', '.'))
        monkeypatch.setitem(sys.modules, made.__name__, made)  # Dataclasses look it up.
        exec(compile(code_of(ADD_A_METHOD, file), file, 'exec'), vars(made))
        return made

    config = module('configs/my_vae.py').get_config()
    method = module('imggen/methods/my_vae.py')
    monkeypatch.setitem(methods.METHODS, config.method.name, method.make)
    config.data = {'name': 'digits', 'batch_size': 8}
    config.method.num_steps = 6
    config.run.update(log_every_steps=1, sample_every_steps=3, checkpoint_every_steps=3)
    return config.to_dict()


def test_the_added_method_trains_samples_and_resumes_bit_for_bit(config, tmp_path):
    assert train.train(config, tmp_path).finished
    assert (tmp_path / 'samples/000006.png').exists()
    restored = load.load(tmp_path)
    (chunk,) = sampling.generate(keys.stream(0, 'sample'), restored, 5)
    pictures = chunk[restored.method.output]
    assert pictures.shape == (5, 8, 8, 1)
    assert np.abs(pictures).max() <= 1.0
    assert not np.allclose(pictures[0], pictures[1])
    # As if the run had been killed after its first checkpoint.
    shutil.rmtree(tmp_path / 'checkpoints/6')
    assert load.load(tmp_path).step == 3
    train.train(config, tmp_path)
    cases.assert_equal_bits(load.load(tmp_path).state, restored.state)
    snippet = re.search(r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.DOTALL)[1]
    names = {}
    exec(snippet.replace('runs/mine', str(tmp_path)), names)
    assert names['images'].shape == (16, 8, 8, 1)


def test_the_added_method_keeps_the_contract(config, monkeypatch, tmp_path):
    name = config['method']['name']
    monkeypatch.setitem(cases.CONFIGS, name, {'name': name, 'num_steps': 6})
    contract.test_restored_run_equals_uninterrupted_bit_for_bit(name, tmp_path)
    contract.test_four_devices_give_the_parameters_of_one(name)
    contract.test_pmap_gives_what_jit_gives(name)
    contract.test_sample_makes_the_set_that_is_named_as_the_result(name)
    with pytest.raises(pytest.fail.Exception, match=f"add them to GOLDEN .* '{name}': {{"):
        contract.test_first_step_has_its_golden_metrics(name)


def test_the_added_name_is_one_line_of_the_table():
    added = "    'my_vae': my_vae.make,\n"
    assert f'```python\n{added}```' in ADD_A_METHOD.read_text()
    ast.parse(f'METHODS = {{\n{added}}}')


def test_the_readme_is_short():
    assert len((ROOT / 'README.md').read_text().split()) <= 800


@every_page
def test_links_and_images_exist(page):
    text = re.sub(r'```.*?```', '', page.read_text(), flags=re.DOTALL)
    for target in re.findall(r'\]\(([^)\s]+)\)', text):
        if re.match(r'[a-z]+:', target):
            continue
        path, _, anchor = target.partition('#')
        linked = page.parent / path if path else page
        assert linked.exists(), f'{page} links to {target}, which does not exist'
        if anchor:
            assert anchor in anchors(linked), f'{page} links to {target}, which has no such heading'


def anchors(page: pathlib.Path) -> list[str]:
    """Returns the names that GitHub gives to the headings of a page."""
    headings = re.findall(r'^#+ (.+)$', page.read_text(), flags=re.MULTILINE)
    return [re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings]


@every_page
def test_paths_in_the_text_exist(page):
    """Paths such as `imggen/method.py`; what a run or a reader makes is left out."""
    roots = 'imggen|experiments|configs|tests|benchmarks|docs|results'
    shown = re.findall(r'^`([^`]+)`:$', page.read_text(), flags=re.MULTILINE)
    for path in re.findall(rf'`((?:{roots})/[\w./*-]+)', current(page)):
        known = path in shown or list(ROOT.glob(path)) or list(ROOT.glob(f'{path}*'))
        assert known, f'{page} names {path}, which does not exist'


@every_page
def test_commands_name_modules_and_configs_that_exist(page):
    shown = re.findall(r'^`([^`]+)`:$', page.read_text(), flags=re.MULTILINE)
    text = current(page).replace('\\\n', ' ')
    for name in set(re.findall(r'python -m ((?:experiments|benchmarks|imggen)[\w.]+)', text)):
        assert importlib.util.find_spec(name.rstrip('.')), f'{page}: there is no module {name}'
    for path in set(re.findall(r'--config=(configs/[\w$*/]+\.py)', text)):
        pattern = re.sub(r'\$\w+', '*', path)
        known = path in (*shown, 'configs/X.py') or list(ROOT.glob(pattern))
        assert known, f'{page}: there is no config {path}'


@every_page
def test_imported_names_exist(page):
    for module, name in re.findall(
        r'^ *from (imggen[\w.]*) import (\w+)$', current(page), re.MULTILINE
    ):
        imported = importlib.import_module(module)
        assert hasattr(imported, name) or importlib.util.find_spec(f'{module}.{name}')


@every_page
def test_options_of_commands_exist(page):
    """Flags of `python -m experiments.X` are flags that the module defines."""
    text = current(page).replace('\\\n', ' ')
    for line in re.findall(r'python -m experiments[^\n`|]*', text):
        words = shlex.split(line.split(' #')[0].split(';')[0].replace("'", ''))
        module = words[2]
        if module == 'experiments.prepare' and len(words) > 3:
            assert words[3] in (*sets.SETS, 'faces', 'bicubic'), f'{page}: no set {words[3]}'
            module += '.named' if words[3] in sets.SETS else f'.{words[3]}'
        source = pathlib.Path(importlib.util.find_spec(module).origin).read_text()
        for word in words[3:]:
            flag = re.match(r'--(\w+)(?=[= ]|$)', word)
            if flag and flag[1] not in ('config', 'help'):
                assert f"'{flag[1]}'" in source, f'{page}: {words[2]} has no option --{flag[1]}'


def current(page: pathlib.Path) -> str:
    """Returns the text of a page; '' for the page of former names."""
    return '' if page.name == 'CHANGELOG.md' else page.read_text()
