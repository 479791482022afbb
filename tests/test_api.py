"""House style, held by a test over every public function."""

import importlib
import inspect
import pathlib
import pkgutil

import pytest

import imggen

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(imggen.__path__, 'imggen.')
    if not name.endswith('__main__')
]


def public_functions():
    for name in MODULES:
        module = importlib.import_module(name)
        for attribute, value in vars(module).items():
            if attribute.startswith('_') or getattr(value, '__module__', '') != name:
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                yield pytest.param(value, id=f'{name}.{attribute}')


@pytest.mark.parametrize('value', list(public_functions()))
def test_public_names_have_a_docstring(value):
    assert inspect.getdoc(value), 'say what it does'


@pytest.mark.parametrize(
    'function', [p for p in public_functions() if inspect.isfunction(p.values[0])]
)
def test_keys_come_first_and_defaults_are_named(function):
    parameters = list(inspect.signature(function).parameters.values())
    names = [parameter.name for parameter in parameters]
    assert not {'rng', 'prng', 'rng_key'} & set(names), "a key is called 'key'"
    assert 'key' not in names[1:], 'the key comes first'
    for parameter in parameters:
        if parameter.default is not parameter.empty:
            assert parameter.kind is parameter.KEYWORD_ONLY, f'{parameter.name} has a default'


def test_no_global_randomness():
    for path in pathlib.Path(imggen.__path__[0]).rglob('*.py'):
        text = path.read_text()
        assert 'np.random' not in text and 'numpy.random' not in text, path


def test_files_stay_small():
    for path in pathlib.Path(imggen.__path__[0]).rglob('*.py'):
        assert len(path.read_text().splitlines()) <= 300, f'{path} wants splitting'
