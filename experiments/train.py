r"""Trains what a config describes; the same command again resumes it.

python -m experiments.train --config=configs/gan_fashion_mnist.py --workdir=runs/gan
    [--config.method.loss=hinge] [--config.seed=1]

Structure is chosen after a colon (--config=configs/gan_folder.py:size=64), values
by --config.section.option=value. On a cluster add --distributed.
"""

import shlex
import sys

from absl import flags
from ml_collections import config_flags

from imggen import cli, devices

FLAGS = flags.FLAGS
_CONFIG = config_flags.DEFINE_config_file(
    'config', None, 'What to run: a file of configs/.', **cli.ANY_OPTION
)
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run; made if missing.')
_DISTRIBUTED = flags.DEFINE_bool('distributed', False, 'Join the other processes of this run.')
_COORDINATOR = flags.DEFINE_string('coordinator', None, 'host:port of process 0, if not detected.')
_NUM_PROCESSES = flags.DEFINE_integer('num_processes', None, 'How many, if not detected.')
_PROCESS_ID = flags.DEFINE_integer('process_id', None, 'Which one this is, if not detected.')


def main(argv):
    del argv
    if _DISTRIBUTED.value:
        devices.join_processes(
            address=_COORDINATOR.value, count=_NUM_PROCESSES.value, index=_PROCESS_ID.value
        )
    devices.cache_compilations()
    from imggen.training import train

    command = f'python -m experiments.train {shlex.join(sys.argv[1:])}'
    result = train.train(_CONFIG.value.to_dict(), _WORKDIR.value, command=command)
    return 0 if result.finished else 143


if __name__ == '__main__':
    flags.mark_flags_as_required(['config', 'workdir'])
    cli.run(main)
