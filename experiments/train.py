r"""Trains what a config describes; the same command again resumes it.

python -m experiments.train --config=configs/gan_fashion_mnist.py --workdir=runs/gan
    [--config.method.loss=hinge] [--config.seed=1]

A config has an argument for its structure, --config=configs/gan_folder.py:size=64, and options,
--config.SECTION.OPTION=VALUE. --config.method.generator={} removes all options of a section, so
that another network can be chosen: --config.method.network=residual.

On a cluster, start one process per host with --distributed.
"""

import signal

from absl import flags

from imggen import cli, devices

_CONFIG = cli.define_config()
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run; made if it does not exist.')
_DISTRIBUTED = flags.DEFINE_bool('distributed', False, 'Join the other processes of this run.')
_COORDINATOR = flags.DEFINE_string(
    'coordinator', None, 'host:port of process 0, if the cluster is not detected.'
)
_NUM_PROCESSES = flags.DEFINE_integer(
    'num_processes', None, 'Number of processes, if the cluster is not detected.'
)
_PROCESS_ID = flags.DEFINE_integer(
    'process_id', None, 'Number of this process, from 0, if the cluster is not detected.'
)
# Schedulers kill after 10 seconds or more.
_SECONDS_TO_STOP = 8.0


def main(argv):
    del argv
    # Until there is something to save, Ctrl-C ends the process as SIGTERM does. As an exception it
    # could get lost: imports and callbacks of libraries catch it.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if _DISTRIBUTED.value:
        devices.join_processes(
            address=_COORDINATOR.value, count=_NUM_PROCESSES.value, index=_PROCESS_ID.value
        )
    devices.cache_compilations()
    from imggen.training import train

    result = train.train(
        _CONFIG.value.to_dict(),
        _WORKDIR.value,
        command=cli.command_line(),
        seconds_to_stop=_SECONDS_TO_STOP,
    )
    return 0 if result.finished else 143


if __name__ == '__main__':
    flags.mark_flags_as_required(['config', 'workdir'])
    cli.run(main)
