"""House style that no linter checks, over all public functions of the package."""

import importlib
import inspect
import pathlib
import pkgutil

import imggen

PACKAGE = pathlib.Path(imggen.__file__).parent


def public_functions():
    for _, name, _ in pkgutil.walk_packages(imggen.__path__, 'imggen.'):
        if name.endswith('__main__'):
            continue
        module = importlib.import_module(name)
        for attribute, function in vars(module).items():
            is_own = inspect.isfunction(function) and function.__module__ == name
            if is_own and not attribute.startswith('_'):
                yield f'{name}.{attribute}', inspect.signature(function).parameters.values()


def test_keys_come_first_and_are_called_key():
    wrong = []
    for name, parameters in public_functions():
        names = [parameter.name for parameter in parameters]
        if 'key' in names[1:] or {'rng', 'prng', 'rng_key'} & set(names):
            wrong.append(name)
    assert not wrong


def test_arguments_with_a_default_are_keyword_only():
    wrong = [
        f'{name}({parameter.name}=)'
        for name, parameters in public_functions()
        for parameter in parameters
        if parameter.default is not parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY
    ]
    assert not wrong


def test_no_randomness_without_a_key():
    assert not [path for path in PACKAGE.rglob('*.py') if 'np.random' in path.read_text()]


def test_few_modules_are_loose():
    loose = sorted(path.name for path in PACKAGE.glob('*.py') if path.name != '__init__.py')
    assert len(loose) <= 14, f'give the new one a folder: {loose}'
