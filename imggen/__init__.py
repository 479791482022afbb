"""Image generation research in JAX: one loop, one interface, honest measures.

`docs/python.md` shows what this module exports. Each name is imported when it is first used, so
that `import imggen` does not import JAX.
"""

import importlib

_EXPORTS = {
    'UserError': 'imggen.errors',
    'extract': 'imggen.evaluation.arrays',
    'frechet': 'imggen.evaluation.arrays',
    'kid': 'imggen.evaluation.arrays',
    'load': 'imggen.inference.run',
    'load_config': 'imggen.cli',
    'lpips': 'imggen.evaluation.arrays',
    'precision_recall': 'imggen.evaluation.arrays',
    'psnr': 'imggen.evaluation.arrays',
    'ssim': 'imggen.evaluation.arrays',
    'train': 'imggen.training.start',
}
__all__ = sorted(_EXPORTS)


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
