"""Runs as the writer leaves them, with plausible courses, for tests of what reads runs."""

import itertools
import json
import math

import numpy as np
from PIL import Image

from imggen import images
from imggen.workdir import reader

VERSIONS = {'python': '3.11.9', 'jax': '0.10.2', 'flax': '0.12.7', 'optax': '0.2.8'}


def config_of(*, loss='hinge', width=32, seed=0):
    """Returns a nested config."""
    return {
        'seed': seed,
        'method': {'name': 'gan', 'loss': loss, 'width': width, 'learning_rate': 2e-4},
        'data': {'name': 'made', 'batch_size': 64},
        'run': {'num_steps': 4000, 'log_every_steps': 20},
    }


def pictures(rng, *, count=36, size=28, sharpness=1.0):
    """Draws discs in colors over a slope, uint8 [count, size, size, 3]; noise at sharpness 0."""
    y, x = np.mgrid[0:size, 0:size][:, None] / (size - 1)
    center = rng.uniform(0.3, 0.7, (2, count, 1, 1))
    radius = rng.uniform(0.15, 0.3, (count, 1, 1))
    inside = ((y - center[0]) ** 2 + (x - center[1]) ** 2 < radius**2)[..., None]
    back = 0.75 + 0.2 * (y * rng.uniform(-1, 1, (count, 1, 1)))[..., None]
    drawn = np.where(inside, rng.uniform(0, 0.8, (count, 1, 1, 3)), back)
    noise = rng.uniform(0, 1, drawn.shape)
    return images.to_uint8(2 * (sharpness * drawn + (1 - sharpness) * noise) - 1)


def write_run(
    folder,
    *,
    config=None,
    quality=1.0,
    num_steps=4000,
    records=200,
    sheets=9,
    size=28,
    info=None,
    evaluated=True,
    metrics=None,
):
    """Writes one workdir; `quality` scales how far its measures fall."""
    config = config or config_of()
    rng = np.random.default_rng([config['seed'], int(1000 * quality)])
    folder.mkdir(parents=True)
    (folder / 'config.json').write_text(json.dumps({'format': reader.FORMAT, **config}))
    made = {
        'command': f'python -m experiments.train --config=configs/made.py --workdir={folder.name}',
        'revision': 'abc1234',
        'versions': VERSIONS,
        'hardware': '2 x EPYC',
        'platform': 'cpu',
        'devices': 1,
        'source': 'made: 6000 images 28x28x3',
        'num_steps': 4000,
        'step': num_steps,
        'seconds': num_steps / 20,
        'sessions': 1,
        'status': 'finished',
    }
    (folder / 'run.json').write_text(json.dumps(made | (info or {})))
    with (folder / 'metrics.jsonl').open('w') as file:
        for index in range(1, records + 1):
            step = index * num_steps // records
            file.write(json.dumps(_record(rng, step, quality)) + '\n')
            if step % (num_steps // 10) == 0:
                distance = quality * (2 + 60 * math.exp(-step / 700)) * rng.uniform(0.95, 1.05)
                line = {'step': step, 'phase': 'train', 'frechet': distance}
                file.write(json.dumps(line) + '\n')
    if evaluated:
        values = metrics or {
            'frechet': 2.1 * quality * rng.uniform(0.95, 1.05),
            'kid': 0.0011 * quality * rng.uniform(0.9, 1.1),
            'precision': 0.81 / quality * rng.uniform(0.98, 1.02),
            'recall': 0.62 / quality * rng.uniform(0.98, 1.02),
        }
        (folder / 'evaluations.jsonl').write_text(json.dumps(evaluation(num_steps, values)) + '\n')
    if sheets:
        images.write_png(
            folder / 'samples/real.png',
            images.grid(pictures(np.random.default_rng(7), size=size)),
        )
    for index in range(sheets):
        step = index * num_steps // max(1, sheets - 1)
        sheet = pictures(
            np.random.default_rng(config['seed']), size=size, sharpness=1 - 0.9**index / quality
        )
        images.write_png(folder / f'samples/{step:06d}.png', images.grid(sheet))
    return folder


def evaluation(step, values):
    """Returns a line of evaluations.jsonl."""
    return {
        'step': step,
        'extractor': 'fashion_classifier',
        'digest': '3f9c1a77e2b0',
        'reference': 'made test',
        'num_reference': 10000,
        'num_generated': 10000,
        'metrics': values,
        'spread': {'kid': 0.0002},
        'floor': {'frechet': 0.08, 'kid': 0.00001, 'precision': 0.88, 'recall': 0.87},
    }


def _record(rng, step, quality):
    fall = math.exp(-step / 600)
    return {
        'step': step,
        'phase': 'train',
        'seconds': step / 20,
        'images_per_second': 512 * rng.uniform(0.9, 1.05),
        'generator_loss': 0.7 + quality * 0.5 * (1 - fall) + 0.25 * rng.standard_normal(),
        'discriminator_loss': 0.6 + 0.8 * fall + 0.12 * rng.standard_normal(),
        'gradient_norm': 10 ** (2 * fall + 0.15 * rng.standard_normal()),
        'accuracy_real': 0.75 + 0.1 * rng.standard_normal() * fall,
    }


def write_sweep(folder, *, losses, widths, seeds, **options):
    """Writes a sweep over three axes; the options are those of `write_run`."""
    folder.mkdir(parents=True)
    runs = []
    for (i, loss), (j, width), seed in itertools.product(
        enumerate(losses), enumerate(widths), range(seeds)
    ):
        name = f'loss={loss},width={width},seed={seed}'
        overrides = {'method.loss': loss, 'method.width': width, 'seed': seed}
        runs.append({'name': name, 'overrides': overrides})
        write_run(
            folder / name,
            config=config_of(loss=loss, width=width, seed=seed),
            quality=1.05 + 0.17 * i + 0.06 * j,
            **options,
        )
    axes = [
        {'name': 'method.loss', 'values': list(losses)},
        {'name': 'method.width', 'values': list(widths)},
        {'name': 'seed', 'values': list(range(seeds))},
    ]
    sweep = {'command': 'python -m experiments.sweep', 'config': 'configs/made.py'}
    (folder / 'sweep.json').write_text(json.dumps(sweep | {'axes': axes, 'runs': runs}))
    return folder


def write_broken_png(path):
    """Writes a file that starts like a PNG and ends too early."""
    Image.new('RGB', (64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:60])
