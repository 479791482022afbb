"""The card of an exported model: what it is, how to use it, how it was made and measured."""

from collections.abc import Mapping, Sequence

import jax

from imggen.report.formats import literal, markdown_table, number
from imggen.workdir.reader import Run, flatten

_MADE = ('command', 'source', 'revision', 'hardware')
_MAX_CLASSES = 100


def text(
    run: Run,
    *,
    step: int,
    arguments: Mapping[str, jax.ShapeDtypeStruct],
    files: Mapping[str, str],
    has_sheet: bool,
) -> str:
    """Writes README.md of an exported model.

    Args:
      run: the run that was exported.
      step: the step of its checkpoint.
      arguments: the shapes of the program's arguments by name.
      files: what each file of the folder is, by name.
      has_sheet: whether samples.png, a sheet of samples, lies beside it.
    """
    config = run.config
    made = [(name, literal(run.info.get(name))) for name in _MADE]
    given = [(key, literal(value)) for key, value in flatten(config).items() if value != '']
    parts = [
        f'# {run.name}: {config["method"]["name"]} on {config["data"]["name"]}\n',
        '![Samples, not selected](samples.png)\n' * has_sheet,
        f'Exported by imggen from step {number(step)} of {number(run.info.get("num_steps"))}.\n',
        _usage(arguments),
        _classes(run.info.get('class_names') or ()) if 'label' in arguments else '',
        '## Files\n',
        markdown_table(('file', 'content'), [*files.items()], numbers=False),
        '## Measures\n',
        _measures(run.evaluations, step),
        '## How it was made\n',
        markdown_table(('', ''), made, numbers=False),
        'Config:\n',
        markdown_table(('option', 'value'), given, numbers=False),
        '## License\n',
        'Not stated. Before you share this model, say here under which license, and whose pictures '
        'it was trained on.\n',
    ]
    return '\n'.join(filter(None, parts))


def _usage(arguments: Mapping[str, jax.ShapeDtypeStruct]) -> str:
    given = {
        'seeds': "np.arange(4, dtype='uint32')",
        'input': '2 * pictures / np.float32(255) - 1',
        'label': "np.zeros(4, 'int32')",
        'guidance': "np.full(4, 2, 'float32')",
    }
    if 'latent' in arguments:
        size = arguments['latent'].shape[-1]
        given['latent'] = f'jax.random.normal(jax.random.key(0), (4, {size}))'
    call = ', '.join(f'{name}={given[name]}' for name in arguments)
    shapes = [(name, f'{shape.dtype} {_shape(shape.shape)}') for name, shape in arguments.items()]
    return f"""## Use

The program needs JAX and no other code (`pip install jax flatbuffers`). It runs on CPU, CUDA and
TPU:

```python
import jax, numpy as np
model = jax.export.deserialize(bytearray(open('model.jax', 'rb').read()))
images = model.call({call})
```

{markdown_table(('argument', 'shape'), shapes, numbers=False)}
Images are float32 in [-1, 1]: `np.uint8(np.clip(np.rint(127.5 * images + 127.5), 0, 255))` makes
levels. Image i depends on its own seed and arguments alone. With imggen,
`imggen.load('this folder')` samples, measures and translates as a run does, and
`--config.init_from` starts a training from these weights.
"""


def _classes(names: Sequence[str]) -> str:
    if not names:
        return ''
    rows = [(str(label), name) for label, name in enumerate(names[:_MAX_CLASSES])]
    rest = f'`run.json` names all {len(names)} classes.\n' if len(names) > _MAX_CLASSES else ''
    return '\n'.join([markdown_table(('label', 'class'), rows, numbers=False), rest])


def _shape(shape: Sequence[object]) -> str:
    return f'[{", ".join(map(str, shape))}]'


def _measures(evaluations: Sequence[Mapping], step: int) -> str:
    measured = [line for line in evaluations if line['step'] == step and line.get('metrics')]
    if not measured:
        return f'Step {step} was not measured (experiments.evaluate).\n'
    line = measured[-1]
    rows = [
        (name, number(value), number(line['floor'].get(name)), number(line['spread'].get(name)))
        for name, value in line['metrics'].items()
    ]
    table = markdown_table(('measure', 'value', 'real against real', 'spread'), rows)
    features = f'in the features of {line["extractor"]}, ' if line['extractor'] else ''
    how = f'{features}{line["num_images"]:,} images, seed {line["seed"]}'
    return f'Measured {how}.\n\n{table}'
