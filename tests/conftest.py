"""Four virtual devices for every test, and strict settings that expose silent mistakes."""

import gc
import importlib.metadata
import os

from imggen import files

# Tests start some hundred processes. Where Python may leave no bytecode beside the sources, each of
# them would compile those of JAX for seconds: theirs lies in the cache.
if os.environ.pop('PYTHONDONTWRITEBYTECODE', None):
    os.environ.setdefault('PYTHONPYCACHEPREFIX', str(files.cache('bytecode')))
os.environ['JAX_NUM_CPU_DEVICES'] = '4'
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# Most of the time of the suite is compilation. Without LLVM's optimizer it is a quarter less, and
# without splitting small programs for several threads an eighth.
os.environ['XLA_FLAGS'] = ' '.join(
    (
        os.environ.get('XLA_FLAGS', ''),
        '--xla_backend_optimization_level=0',
        # XLA aborts on a flag that it does not know.
        '--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1'
        * importlib.metadata.version('jaxlib').startswith('0.10.'),
    )
)
os.environ.setdefault('JAX_COMPILATION_CACHE_DIR', str(files.cache('jax')))
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0.2')

import hypothesis
import jax
import pytest
from absl import flags

from imggen import devices

jax.config.update('jax_numpy_rank_promotion', 'raise')
# Every run of the suite draws the same inputs, so that a failure is of the change that is tested.
# A deadline would measure the machine.
hypothesis.settings.register_profile('suite', derandomize=True, deadline=None)
hypothesis.settings.load_profile('suite')
# Grain reads absl flags, and pytest does not parse them.
flags.FLAGS.mark_as_parsed()


def pytest_configure():
    """Refuses a pytest under which pytest-xdist ignores groups of tests without a message."""
    if pytest.version_tuple >= (9, 2):
        pytest.exit(
            f'pytest {pytest.__version__} is installed, under which pytest-xdist ignores groups of '
            "tests; run 'make install' for a version below 9.2.",
            returncode=1,
        )


def pytest_collection_finish():
    """Keeps the garbage collector from all that was imported: tracing makes it run often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(autouse=True)
def _first_parameters_compiled_as_the_rest(monkeypatch):
    monkeypatch.setattr(devices, 'quick_options', lambda mesh: {})


_TESTS_BETWEEN = 10
_FINISHED = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    """Frees compiled programs every few tests.

    Tracing raises many C++ exceptions, and each of them searches the frames of all programs that
    the process has compiled. After two thousand tests this took two fifths of the time.
    """
    count = item.session.stash.get(_FINISHED, 0) + 1
    item.session.stash[_FINISHED] = count
    if count % _TESTS_BETWEEN == 0:
        jax.clear_caches()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keeps tests that share a fixture of their module in one process, which makes it once."""
    for item in items:
        fixtures = item._fixtureinfo.name2fixturedefs.values()
        shared = any(definitions[-1].scope == 'module' for definitions in fixtures)
        if shared and item.get_closest_marker('xdist_group') is None:
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
