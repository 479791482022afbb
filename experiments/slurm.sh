#!/bin/bash
# One run on a SLURM cluster, on one node or on several. The same command is the same run:
#
#   sbatch --nodes=2 --gpus-per-node=4 --ntasks-per-node=4 experiments/slurm.sh \
#       --config=configs/gan_fashion_mnist.py --workdir=/shared/runs/gan
#
# Start it from the repository, with the environment active that python is to come from.
# Everything after the script's name goes to experiments.train. --workdir must lie on a file
# system that all nodes share. Many runs at once (axes, seeds): experiments/sweep.py
# --launcher=slurm.
#
# One task a GPU: under SLURM, JAX takes one GPU a process, and finds the coordinator, the number
# of processes and its own number in the variables that srun sets. On nodes without GPUs take
# --ntasks-per-node=1. The global batch is what the config says, on any number of devices, and
# must divide by that number.

#SBATCH --job-name=imggen
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --output=slurm-%j.out
#SBATCH --open-mode=append
# Preempted, or a node failed: back into the queue, and on from the last checkpoint.
#SBATCH --requeue
# Two minutes before the time limit the processes get SIGTERM: they save and exit with 143.
#SBATCH --signal=TERM@120

set -euo pipefail

# --wait: once a process has ended, the others get five minutes to save; then they are killed, so
# that none waits for a dead one for ever. srun does not read --cpus-per-task of sbatch by itself.
status=0
srun --wait=300 --kill-on-bad-exit=0 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
  "${PYTHON:-python}" -m experiments.train --distributed "$@" || status=$?

# 143: stopped by SIGTERM and saved. (scancel ends this script too, so that ends the job.)
if [[ $status == 143 ]]; then
  echo "$(date -Is) saved; another turn for job $SLURM_JOB_ID"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
