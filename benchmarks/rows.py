"""The rows of the table that `benchmarks.run` prints."""

import dataclasses
import importlib
import pathlib
from collections.abc import Mapping
from typing import Any

import configs

MATRIX = ('benchmarks.ours.matrix_product', {'steps': 3})  # With PyTorch it takes turns.
COMPILATION = 'compile_'  # Names of rows that time compilation alone begin with it.
_NUM_STEPS = 1_000_000  # Of every schedule: a row sees only its beginning.


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
      work: what is compared.
      turn: what one turn does.
      ours: 'module.function'; takes the turns and the options.
      theirs: the same for PyTorch; '' if there is nothing to compare with.
      options: keyword arguments of both functions.
      compiles: whether torch.compile is tried, too. PyTorch's function then takes `compiled`.
      turns: the most turns of a side; 0 to time its start alone.
    """

    work: str
    turn: str
    ours: str
    theirs: str = ''
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    compiles: bool = True
    turns: int = 5

    def sides(self, *, longer: int = 1) -> dict[str, tuple[str, Mapping[str, Any]]]:
        """Returns the function and the options of each side, in the order of their turns.

        Args:
          longer: multiplies the steps of a turn.
        """
        found = {'imggen': (self.ours, self.options)}
        if self.theirs:
            found['eager'] = (self.theirs, self.options)
        if self.theirs and self.compiles:
            found['compiled'] = (self.theirs, {**self.options, 'compiled': True})
        if self.theirs:
            found['matrix'] = MATRIX
        return {side: (call, _longer(options, longer)) for side, (call, options) in found.items()}


def _longer(options: Mapping[str, Any], factor: int) -> dict[str, Any]:
    steps = {'steps': factor * options['steps']} if 'steps' in options else {}
    return {**options, **steps}


def section(config: str, argument: str | None = None, **changes) -> dict[str, Any]:
    """Returns config.method of a config of configs/, with a long schedule."""
    found = importlib.import_module(f'configs.{config}').get_config(argument).method.to_dict()
    return {**found, 'num_steps': _NUM_STEPS, **changes}


def _row(name: str, work: str, turn: str, options, **how) -> Row:
    return Row(work, turn, f'benchmarks.ours.{name}', f'benchmarks.theirs.{name}', options, **how)


def _ours(name: str, work: str, turn: str, options, **how) -> Row:
    return Row(work, turn, f'benchmarks.ours.{name}', '', options, **how)


def _gan(work: str, config: str, shape, steps: int, argument: str | None = None) -> Row:
    options = {'config': config, 'argument': argument, 'shape': shape, 'steps': steps}
    turn = f'{steps} training steps of 64 images'
    return _row('gan', f'{work}, {" x ".join(map(str, shape))}', turn, options)


def _vgg16(size: int, steps: int) -> Row:
    options = {'size': size, 'steps': steps}
    return _row('vgg16', f'VGG16, loss and gradient at {size} x {size}', f'{steps} times', options)


ROWS = {
    'perceptron': _gan('GAN of perceptrons', 'gan_perceptron_digits', (28, 28, 1), 100),
    'dcgan': _gan('DCGAN', 'gan_fashion_mnist', (28, 28, 1), 10, 'published'),
    'dcgan32': _gan('DCGAN', 'gan_fashion_mnist', (32, 32, 3), 5, 'published'),
    'residual': _gan('residual GAN with R1 and R2', 'r3gan_fashion_mnist', (28, 28, 1), 4),
    'projected': _ours(
        'projected',
        'DCGAN with a discriminator on Lite0, 64 x 64 x 3',
        '1 training step of 16 images',
        {'size': 64, 'batch_size': 16, 'steps': 1},
        turns=3,
    ),
    'pix2pix': _row(
        'pix2pix',
        'pix2pix, 256 x 256',
        '2 training steps of 1 image',
        {'size': 256, 'features': 64, 'steps': 2},
    ),
    'super_resolution': _row(
        'super_resolution',
        'super-resolution x4, L1, to 96 x 96',
        '5 training steps of 16 images',
        {'size': 96, 'steps': 5},
    ),
    'vgg16_256': _vgg16(256, 3),
    'vgg16_512': _vgg16(512, 1),
    'flow': _row(
        'flow',
        'flow matching, U-Net, 28 x 28',
        '2 training steps of 64 images',
        {'features': (24, 48, 72), 'steps': 2},
    ),
    'classifier': _row(
        'classifier', 'classifier, 28 x 28', '10 training steps of 128 images', {'steps': 10}
    ),
    'evolution': _row(
        'evolution',
        'hill climbing against the classifier of clothes',
        '8 changes of each of 512 images',
        {'classifier': 'convolutional', 'chains': 512, 'steps': 8},
    ),
    'evolution_lite0': _row(
        'evolution',
        'hill climbing against EfficientNet-Lite0, 224 x 224',
        '4 changes of each of 4 images',
        {'classifier': 'lite0', 'chains': 4, 'steps': 4},
    ),
    'style': _row(
        'style', 'style transfer by L-BFGS, 192 x 256', '3 evaluations', {'size': 256, 'steps': 3}
    ),
    'neighbors': _ours(
        'neighbors', 'style transfer by neighbors, 192 x 256', '3 steps', {'size': 256, 'steps': 3}
    ),
    'folder': _row(
        'folder',
        'pictures of a folder, JPEG of 640 x 480 to 64 x 64',
        '256 files',
        {'count': 256, 'size': 64},
        compiles=False,
    ),
    'sampling': _row(
        'sampling',
        'samples of DCGAN, 28 x 28',
        '10,000 images',
        {'argument': 'published', 'count': 10_000},
    ),
    'kid': _row(
        'kid',
        'KID, 100 subsets of 1,000',
        'two sets of 10,000 x 2,048',
        {'count': 10_000, 'dim': 2048},
        compiles=False,
        turns=2,
    ),
    'precision_recall': _row(
        'precision_recall',
        'precision and recall',
        'two sets of 10,000 x 2,048',
        {'count': 10_000, 'dim': 2048},
        compiles=False,
        turns=2,
    ),
    'start': _ours(
        'start',
        'DCGAN, from the command to the first step',
        '1 start',
        {'config': 'gan_fashion_mnist'},
        turns=3,
    ),
    'start_residual': _ours(
        'start',
        'residual GAN, from the command to the first step',
        '1 start',
        {'config': 'r3gan_fashion_mnist'},
        turns=3,
    ),
    **{
        f'{COMPILATION}{path.stem}': _ours(
            'compilation', f'configs/{path.name}', 'no steps', {'config': path.stem}, turns=0
        )
        for path in sorted(pathlib.Path(configs.__file__).parent.glob('*.py'))
        if path.stem not in ('__init__', 'common')
    },
}
