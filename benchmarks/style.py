r"""Compares style transfer with PyTorch's L-BFGS and with pystiche, in a Markdown table.

  python -m benchmarks.style --content=A --style=B [--torch_python=PATH] [--sizes=256,512]
  python -m benchmarks.style --content=A --style=B --compare=scales

All sides minimize the same loss with the same weights, from the same image (the content), at the
same size and with the same number of evaluations of loss and gradient. Each runs in its own
process, in turn. Seconds are the mean time of an evaluation after the first few. The relative style
loss is then measured in the same way for all: with VGG16, which the sides minimize, and with
EfficientNet-Lite0, which none of them uses. Peak memory is that of the process.

`--compare=scales` runs configs/style_quality.py, then a single scale for the same time.
"""

import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app, flags, logging

from benchmarks import style_problem

_CONTENT = flags.DEFINE_string('content', None, 'An image.', required=True)
_STYLE = flags.DEFINE_string('style', None, 'An image.', required=True)
_SIZES = flags.DEFINE_list('sizes', '256,512', 'Longer sides, in pixels.')
_EVALUATIONS = flags.DEFINE_integer(
    'evaluations', 60, 'Evaluations of loss and gradient.', lower_bound=10
)
_MEMORY_SIZE = flags.DEFINE_integer(
    'memory_size', 100, "Memory of every L-BFGS; PyTorch's default is 100."
)
_STYLE_WEIGHT = flags.DEFINE_float('style_weight', 30.0, 'Weight of the relative style loss.')
_TORCH_PYTHON = flags.DEFINE_string('torch_python', sys.executable, 'A Python with PyTorch.')
_SIDES = flags.DEFINE_list('sides', 'imggen,torch,pystiche', 'Sides to run.')
_COMPARE = flags.DEFINE_enum('compare', 'sides', ['sides', 'scales'], 'What to compare.')
_PROBLEM = flags.DEFINE_string('problem', None, 'Run our side in this process; used internally.')
_OUTPUT = flags.DEFINE_string('output', None, 'File for its image; used internally.')

_DISPATCH = 5  # Evaluations in one record; the first record is not timed.


def _data_section(size: int) -> dict:
    return style_problem.data_section(_CONTENT.value, _STYLE.value, size)


def _transfer(size: int, method: dict, *, seconds: float | None = None):
    """Runs our method to its end, or for `seconds`.

    Returns:
      The image, the records, and the CPU clock at each record.
    """
    import jax

    from imggen import data, devices, methods
    from imggen.training import loop

    records, cpu_ends = [], []
    made = methods.make(
        {'name': 'style', 'padding': 'zero', 'style_weight': _STYLE_WEIGHT.value, **method}
    )
    source = data.make(_data_section(size), seed=0)
    spent = lambda: sum(record.seconds for record in records)
    result = loop.run(
        made,
        source,
        seed=0,
        mesh=devices.make_mesh(devices=jax.devices()[:1]),
        log_every_steps=_DISPATCH,
        observers=[records.append, lambda record: cpu_ends.append(time.process_time())],
        stop=lambda: seconds is not None and spent() >= seconds,
    )
    sample = jax.jit(made.sample)(None, result.state, made.frozen, source.batch(0))
    return np.asarray(sample['generated']), records, cpu_ends


def _our_side() -> dict:
    import jax

    size = int(_SIZES.value[0])
    options = {'memory_size': _MEMORY_SIZE.value}
    method = {'num_steps': _EVALUATIONS.value, 'optimizer_options': options}
    image, records, cpu_ends = _transfer(size, method)
    np.savez(_OUTPUT.value, image=image)
    timed = sum(record.num_steps for record in records[1:])
    return {
        'seconds': sum(record.seconds for record in records[1:]) / timed,
        'cpu_seconds': (cpu_ends[-1] - cpu_ends[0]) / timed,
        'peak_mib': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        'version': f'imggen, JAX {jax.__version__}',
    }


def _run(side: str, size: int, folder: pathlib.Path) -> dict:
    problem, output = folder / 'problem.npz', folder / 'result.npz'
    if side == 'imggen':
        command = [sys.executable, '-m', 'benchmarks.style', f'--sizes={size}']
        command += [f'--content={_CONTENT.value}', f'--style={_STYLE.value}']
        command += [f'--style_weight={_STYLE_WEIGHT.value}']
        command += [f'--memory_size={_MEMORY_SIZE.value}']
    else:
        command = [_TORCH_PYTHON.value, '-W', 'ignore', '-m', 'benchmarks.torch_style']
        command += [f'--library={side}']
    command += [f'--problem={problem}', f'--output={output}']
    command += [f'--evaluations={_EVALUATIONS.value}']
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {**json.loads(done.stdout.splitlines()[-1]), 'image': np.load(output)['image']}


def _compare_sides() -> None:
    from imggen import devices
    from imggen.evaluation import style

    print(
        f'{devices.hardware()}; {_EVALUATIONS.value} evaluations from the content, style weight '
        f'{_STYLE_WEIGHT.value:g}. Load average before: {os.getloadavg()[0]:.1f}.\n'
    )
    print(
        '| size | side | s / evaluation | CPU s / evaluation | style loss (VGG16) '
        '| content loss (VGG16) | style loss (Lite0) | peak MiB |'
    )
    print('| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |')
    for size in map(int, _SIZES.value):
        batch = style_problem.batch(_data_section(size))
        height, width = batch['image'].shape[1:3]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            style_problem.write(
                folder / 'problem.npz',
                batch,
                style_weight=_STYLE_WEIGHT.value,
                memory_size=_MEMORY_SIZE.value,
            )
            for side in _SIDES.value:
                run = _run(side, size, folder)
                scores = style.score(np.clip(run['image'], -1, 1), batch)
                print(
                    f'| {height} x {width} | {run["version"]} | {run["seconds"]:.3f} '
                    f'| {run["cpu_seconds"]:.3f} | {scores["style_vgg16"]:.4f} '
                    f'| {scores["content_vgg16"]:.3f} | {scores["style_lite0"]:.4f} '
                    f'| {run["peak_mib"]:.0f} |',
                    flush=True,
                )
        print(
            f'| {height} x {width} | the content itself | | | {scores["style_vgg16_content"]:.4f} '
            f'| 0 | {scores["style_lite0_content"]:.4f} | |'
        )


def _compare_scales() -> None:
    from configs import style_quality
    from imggen.evaluation import style

    quality = style_quality.get_config().method.to_dict()
    del quality['name']
    quality['padding'] = 'zero'
    print(
        '| size | scales | evaluations | seconds | style loss (VGG16) | content | style (Lite0) |'
    )
    print('| ---: | --- | ---: | ---: | ---: | ---: | ---: |')
    for size in map(int, _SIZES.value):
        batch, seconds = style_problem.batch(_data_section(size)), None
        for scales in (quality['scales'], (1.0,)):
            shares = quality['shares'] if len(scales) > 1 else ()
            method = {**quality, 'scales': scales, 'shares': shares}
            image, records, _ = _transfer(size, method, seconds=seconds)
            seconds = sum(record.seconds for record in records)
            scores = style.score(image, batch)
            print(
                f'| {size} | {", ".join(map(str, scales))} '
                f'| {sum(record.num_steps for record in records)} | {seconds:.0f} '
                f'| {scores["style_vgg16"]:.4f} | {scores["content_vgg16"]:.3f} '
                f'| {scores["style_lite0"]:.4f} |',
                flush=True,
            )


def main(argv) -> None:
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected argument {argv[1]}; flags begin with --.')
    logging.set_verbosity(logging.WARNING)
    if _PROBLEM.value:
        print(json.dumps(_our_side()))
    elif _COMPARE.value == 'scales':
        _compare_scales()
    else:
        _compare_sides()


if __name__ == '__main__':
    app.run(main)
