"""What a module takes from another module of the project exists there."""

import ast
import importlib
import pathlib
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ('imggen', 'experiments', 'configs', 'benchmarks')
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob('*.py'))


def modules_of(tree: ast.Module) -> dict[str, types.ModuleType]:
    """Returns the project's modules that a file imports, by the names it gives them."""
    found = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.level:
            continue
        if node.module.split('.')[0] not in PACKAGES:
            continue
        for alias in node.names:
            try:
                module = importlib.import_module(f'{node.module}.{alias.name}')
            except ModuleNotFoundError:  # A function or a class; or a package that is optional.
                continue
            found[alias.asname or alias.name] = module
    return found


@pytest.mark.parametrize('file', FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_names_of_other_modules_exist(file):
    tree = ast.parse(file.read_text())
    modules = modules_of(tree)
    local = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    local |= {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    missing = [
        f'{node.value.id}.{node.attr}'
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id in modules and node.value.id not in local
        if not hasattr(modules[node.value.id], node.attr)
    ]
    assert not missing
