"""Four virtual devices for every test, and strictness that finds silent mistakes."""

import os

os.environ['JAX_NUM_CPU_DEVICES'] = '4'
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# Most of the suite's time is compilation: a third of it is left with LLVM's least effort and
# without MLIR's kernels for fusions, which at that level return NaN.
os.environ['XLA_FLAGS'] = ' '.join(
    (
        os.environ.get('XLA_FLAGS', ''),
        '--xla_backend_optimization_level=0',
        '--xla_cpu_use_fusion_emitters=false',
    )
)
os.environ.setdefault(
    'JAX_COMPILATION_CACHE_DIR',
    os.path.join(os.path.expanduser(os.environ.get('XDG_CACHE_HOME', '~/.cache')), 'imggen/jax'),
)
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0.2')

import jax
import pytest
from absl import flags

jax.config.update('jax_numpy_rank_promotion', 'raise')
# Grain reads absl flags, which nobody parses under pytest.
flags.FLAGS.mark_as_parsed()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that share a fixture of their module share a process, where it is made once."""
    for item in items:
        fixtures = item._fixtureinfo.name2fixturedefs.values()
        shared = any(definitions[-1].scope == 'module' for definitions in fixtures)
        if shared and item.get_closest_marker('xdist_group') is None:
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
