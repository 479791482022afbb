"""A program with the contract of experiments.train and experiments.evaluate, in milliseconds.

The same flags, the same files; it saves on SIGTERM and every few steps, and the
same command continues it. What it computes depends on every step and the seed.
"""

import hashlib
import json
import os
import pathlib
import signal
import time

from absl import app, flags
from ml_collections import config_flags

CONFIG = config_flags.DEFINE_config_file('config')
WORKDIR = flags.DEFINE_string('workdir', None, '')
EXTRACTOR = flags.DEFINE_string('extractor', 'fashion_classifier', '')
NUM = flags.DEFINE_integer('num', 20, '')
MEASURE = flags.DEFINE_string('measure', 'frechet', '')
EVERY = 5  # Steps between two checkpoints.


def write(path, value):
    partial = path.with_suffix('.partial')
    partial.write_text(json.dumps(value))
    partial.replace(path)


def train(folder, config):
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / 'config.json', {'format': 2, **config.to_dict()})
    info = {
        'num_steps': config.run.num_steps,
        'revision': 'abc1234',
        'seconds': 1.5,
        'pid': os.getpid(),
        'cores': sorted(os.sched_getaffinity(0)),
        'gpus': os.environ.get('CUDA_VISIBLE_DEVICES'),
        'memory': os.environ.get('XLA_PYTHON_CLIENT_MEM_FRACTION'),
        'hardware': '2 cores of a CPU',
    }
    state = folder / 'state.json'
    step, digest = json.loads(state.read_text()) if state.exists() else (0, '')
    metrics = folder / 'metrics.jsonl'
    lines = metrics.read_text().splitlines()[:step] if metrics.exists() else []
    metrics.write_text(''.join(line + '\n' for line in lines))
    came = []
    signal.signal(signal.SIGTERM, lambda *_: came.append(1))
    status = 'finished'
    while step < config.run.num_steps:
        write(folder / 'run.json', info | {'step': step, 'status': 'running'})
        if came:
            status = 'stopped'
            break
        if config.method.loss == 'broken' and step == 3:
            raise ValueError('the loss is broken <b>')
        time.sleep(config.run.step_seconds)
        digest = hashlib.sha256(f'{digest} {config.seed} {step}'.encode()).hexdigest()
        step += 1
        record = {'step': step, 'digest': digest, 'images_per_second': 100.0}
        metrics.open('a').write(json.dumps(record) + '\n')
        if step % EVERY == 0:
            write(state, [step, digest])
    write(state, [step, digest])
    write(folder / 'run.json', info | {'step': step, 'status': status})
    return 0 if status == 'finished' else 143


def evaluate(folder):
    config = json.loads((folder / 'config.json').read_text())
    step, digest = json.loads((folder / 'state.json').read_text())
    value = int(digest[:4], 16) / 65536 + {'hinge': 0, 'wgan': 5}.get(config['method']['loss'], 1)
    line = {
        'step': step,
        'extractor': EXTRACTOR.value,
        'digest': 'abcdef',
        'reference': 'test',
        'num_reference': 10,
        'num_generated': NUM.value,
        'num_images': NUM.value,
        'floor': {'frechet': 0.01},
        'metrics': dict.fromkeys(MEASURE.value.split(','), value),
    }
    (folder / 'evaluations.jsonl').open('a').write(json.dumps(line) + '\n')
    return 0


def main(argv):
    folder = pathlib.Path(WORKDIR.value)
    return train(folder, CONFIG.value) if argv[1] == 'train' else evaluate(folder)


if __name__ == '__main__':
    app.run(main)
