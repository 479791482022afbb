r"""Prints the training time until a metric first reached each of some values.

python -m experiments.studies.reach --workdir=runs/growth --measure=frechet --values=20,10,5

Each row is a variant, with the median over its seeds. The runs must have measured while they
trained (config.run.measure_every_steps). Time for measuring and compiling is not counted.
"""

from absl import flags

from imggen import cli
from imggen.errors import UserError
from imggen.report import time_to
from imggen.workdir import reader

_WORKDIR = flags.DEFINE_string('workdir', None, 'A run, a sweep or a folder of either.')
_MEASURE = flags.DEFINE_string('measure', 'frechet', 'A metric; smaller is better.')
_VALUES = flags.DEFINE_list('values', None, 'Values to reach, separated by commas.')


def main(argv):
    del argv
    try:
        values = [float(value) for value in _VALUES.value]
    except ValueError as error:
        raise UserError(
            f'--values={",".join(_VALUES.value)} are not numbers: separate numbers by commas.'
        ) from error
    print(time_to.table(reader.find(_WORKDIR.value), _MEASURE.value, values))


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'values'])
    cli.run(main)
