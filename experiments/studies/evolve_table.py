r"""Makes the table of evolved images: searches, encodings and classes, over seeds.

python -m experiments.sweep --config=configs/evolve_methods.py --workdir=runs/methods
python -m experiments.studies.evolve_table --folder=runs/methods [--output=methods.md]

The table covers every finished run of evolution in the folder. Runs that differ only in their seed
share one row per class. A cell is the number of images evaluated until the classifier gave the
class this probability: the median over seeds and chains, with the interquartile range in brackets,
or "-" if half of them never reached it. With at least 100 classes, `second top 5` is the share of
images whose class is among the five most probable of the second classifier. A search is named by
its method and the options that differ.
"""

import numpy as np
from absl import flags

from imggen import cli, devices, files
from imggen.errors import UserError
from imggen.evaluation import evolution, searches
from imggen.inference import load
from imggen.methods.evolution import tally
from imggen.progress import Progress
from imggen.workdir import reader

_FOLDER = flags.DEFINE_string('folder', None, 'A run, a sweep, or a folder that holds either.')
_NUM = flags.DEFINE_integer('num', 1000, 'Largest number of images to use from a run.')
_OUTPUT = flags.DEFINE_string('output', None, 'A .md file for the table, which is also printed.')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace a file at --output.')

_NAMES = ['search', 'class', 'seeds x chains', 'evaluations']
_NAMES += [f'p >= {threshold}' for threshold in tally.THRESHOLDS]
_NAMES += ['success', 'p', 'transfer', 'second p', 'second top 5']


def main(argv):
    del argv
    devices.cache_compilations()
    if _OUTPUT.value:
        files.refuse_overwrite([_OUTPUT.value], overwrite=_OVERWRITE.value)
    found = [run for run in reader.find(_FOLDER.value) if _is_finished_evolution(run)]
    if not found:
        raise UserError(f'{_FOLDER.value} holds no finished run of evolution: train one first.')
    by_search: dict[str, list[evolution.Findings]] = {}
    progress = Progress(len(found), unit='run')
    for number, (name, run) in enumerate(zip(searches.names(found), found, strict=True), 1):
        findings = evolution.find(load.load(run.path), num_images=_NUM.value)
        by_search.setdefault(name, []).append(findings)
        progress.advance(number)
    progress.close()
    lines = [_NAMES, ['---'] * len(_NAMES)]
    for name, seeds in by_search.items():
        together = evolution.pool(seeds)
        rows = {**evolution.by_class(together), 'all': evolution.summarize(together)}
        for label, values in rows.items():
            pursuits = len(together.first) // (1 if label == 'all' else len(rows) - 1)
            counted = f'{len(seeds)} x {pursuits // len(seeds)}'
            lines.append([name, label, counted, *_cells(values)])
    table = '\n'.join(f'| {" | ".join(line)} |' for line in lines)
    text = f'{_header(found)}\n\n{table}\n'
    print(text)
    if _OUTPUT.value:
        files.write_text(_OUTPUT.value, text)


def _header(found: list[reader.Run]) -> str:
    def distinct(values) -> str:
        return ', '.join(sorted({str(value) for value in values}))

    return '\n'.join(
        [
            f'- command: {cli.command_line()}',
            f'- revision: {distinct(run.info.get("revision", "unknown") for run in found)}',
            f'- hardware: {distinct(run.info.get("hardware", "unknown") for run in found)}',
            f'- seeds: {distinct(run.config.get("seed", 0) for run in found)}',
        ]
    )


def _is_finished_evolution(run: reader.Run) -> bool:
    return run.info.get('status') == 'finished' and 'problem' in run.config['method']


def _cells(values) -> list[str]:
    cells = [f'{values["evaluations"]:,.0f}']
    for threshold in tally.THRESHOLDS:
        middle = values.get(f'evaluations_to_{threshold}')
        spread = values.get(f'evaluations_to_{threshold}_iqr')
        cell = '-' if middle is None else f'{middle:,.0f}'
        cells.append(cell if spread is None else f'{cell} ({spread:,.0f})')
    cells.append(f'{values[f"success_{tally.THRESHOLDS[-1]}"]:.2f}')
    for name in ('probability', 'transfer', 'transfer_probability', 'top5'):
        value = values.get(name)
        cells.append('-' if value is None or not np.isfinite(value) else f'{value:.3f}')
    return cells


if __name__ == '__main__':
    flags.mark_flag_as_required('folder')
    cli.run(main)
