#!/bin/bash
# One run on a SLURM cluster, on one node or on several. The same command is the same run:
#
#   sbatch --nodes=2 --gpus-per-node=4 --ntasks-per-node=4 experiments/slurm.sh \
#       --config=configs/gan_fashion_mnist.py --workdir=/shared/runs/gan
#
# Start it from the repository, with the Python environment active. Everything after the name of
# the script goes to experiments.train. --workdir must lie on a file system that all nodes share.
# For many runs at once (axes, seeds), use experiments.sweep --launcher=slurm.
#
# Use one task per GPU: under SLURM, JAX takes one GPU per process. It finds the coordinator, the
# number of processes and its own index in the variables that srun sets. On nodes without GPUs use
# --ntasks-per-node=1. The config sets the global batch size, which does not depend on the number
# of devices and must be divisible by it.

#SBATCH --job-name=imggen
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --output=slurm-%j.out
#SBATCH --open-mode=append
# After a preemption or a node failure, the job goes back into the queue and continues from the last
# checkpoint.
#SBATCH --requeue
# Two minutes before the time limit, the processes get SIGTERM. They save and exit with status 143.
#SBATCH --signal=TERM@120

set -euo pipefail

# --wait: after one process has ended, the others have five minutes to save before they are killed,
# so that none waits forever for a dead one. srun does not read --cpus-per-task of sbatch by itself.
status=0
srun --wait=300 --kill-on-bad-exit=0 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
  "${PYTHON:-python}" -m experiments.train --distributed "$@" || status=$?

# 143: the run was stopped by SIGTERM and has saved. (scancel also ends this script, and so the job.)
if [[ $status == 143 ]]; then
  echo "$(date -Is) saved; requeueing job $SLURM_JOB_ID"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
