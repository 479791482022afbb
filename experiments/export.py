r"""Exports a trained model: a program that JAX runs alone, its weights, and a card.

python -m experiments.export --workdir=runs/gan --output=model/
python -m experiments.export --workdir=runs/colorize --output=model/ --checkpoint=best
python -m experiments.export --workdir=runs/gan --output=model/ --push=hf:USER/NAME

The folder holds README.md, the card, whose three lines of Python make images; model.jax, the
program with its weights, for CPU, CUDA and TPU; weights.safetensors, the weights by name, which
other frameworks read, with --half in float16; and samples.png. `imggen.load('model/')` takes the
folder as it takes a run. --push uploads the folder to the Hugging Face Hub, to a repository that
is private at first.
"""

import json
import pathlib
import shutil

from absl import flags

from imggen import cli, devices, files
from imggen.inference import export, load, push
from imggen.report import card
from imggen.workdir import reader, weights

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_OUTPUT = flags.DEFINE_string('output', None, 'A folder that is not there yet, or is empty.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_HALF = flags.DEFINE_bool('half', False, 'Round weights.safetensors to float16: half the size.')
_PUSH = flags.DEFINE_string('push', None, 'hf:USER/NAME, a repository of the Hugging Face Hub.')

_PROGRAM = 'model.jax'
# What the folder keeps of run.json: what imggen.load needs, and how the run was made.
_INFO = (
    'batch',
    'class_names',
    'class_counts',
    'num_steps',
    'source',
    'init_from',
    'revision',
    'hardware',
    'versions',
)
_FILES = {
    _PROGRAM: 'the program with its weights (StableHLO, serialized by jax.export)',
    weights.NAME: "the weights by name, optimizers' states left out",
    'config.json': 'the config of the run',
    'run.json': 'how the run was made',
}


def main(argv):
    del argv
    devices.cache_compilations()
    repository = push.repository(_PUSH.value) if _PUSH.value else None
    output = pathlib.Path(_OUTPUT.value)
    restored = load.load(_WORKDIR.value, which=_CHECKPOINT.value)
    export.check(restored)
    run = reader.read(load.folder(_WORKDIR.value))
    with files.filling(output) as folder:
        (folder / _PROGRAM).write_bytes(export.program(restored).serialize())
        path = folder / weights.NAME
        weights.write(path, restored.state, step=restored.step, half=_HALF.value)
        shutil.copyfile(run.path / 'config.json', folder / 'config.json')
        info = {name: run.info[name] for name in _INFO if name in run.info}
        files.write_text(folder / 'run.json', json.dumps(info, indent=1))
        sheets = [sheet for step, sheet in run.samples if step <= restored.step]
        if sheets:
            shutil.copyfile(sheets[-1], folder / 'samples.png')
        text = card.text(
            run,
            step=restored.step,
            arguments=export.arguments(restored),
            files=_FILES
            | ({weights.NAME: _FILES[weights.NAME] + ', in float16'} if _HALF.value else {}),
            has_sheet=bool(sheets),
        )
        files.write_text(folder / 'README.md', text)
    print(f'{output}: step {restored.step} of {_WORKDIR.value}')
    print(f'{output}/README.md says how to use it')
    if repository is not None:
        print(f'{push.push(output, repository)}: private until you say otherwise')


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'output'])
    cli.run(main)
