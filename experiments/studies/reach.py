r"""Says how long runs trained until a measure was good enough.

python -m experiments.studies.reach --workdir=runs/growth --measure=frechet --values=20,10,5

One row a variant, the median over its seeds. The runs measured while they trained
(config.run.measure_every_steps); the time that took is not counted, nor that of compiling.
"""

from absl import flags

from imggen import cli
from imggen.errors import UserError
from imggen.report import time_to
from imggen.workdir import reader

_WORKDIR = flags.DEFINE_string('workdir', None, 'A run, a sweep or a folder of either.')
_MEASURE = flags.DEFINE_string('measure', 'frechet', 'A measure, smaller being better.')
_VALUES = flags.DEFINE_list('values', None, 'What is to be reached.')


def main(argv):
    del argv
    try:
        values = [float(value) for value in _VALUES.value]
    except ValueError as error:
        raise UserError(f'--values={",".join(_VALUES.value)} are no numbers.') from error
    print(time_to.table(reader.find(_WORKDIR.value), _MEASURE.value, values))


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'values'])
    cli.run(main)
