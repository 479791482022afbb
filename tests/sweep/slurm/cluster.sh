#!/bin/bash
# A real SLURM cluster of one machine, for tests: its own key, ports and state below one folder.
#
#   apt-get install -y --no-install-recommends slurm-wlm munge    (Debian, Ubuntu)
#   tests/sweep/slurm/cluster.sh start FOLDER    as root; then: export SLURM_CONF=FOLDER/slurm.conf
#   tests/sweep/slurm/cluster.sh stop FOLDER
#
# Without systemd and without cgroups, so it starts in a container. FOLDER must be an absolute
# path whose parents only root can write to, or are sticky as /tmp is: munge insists.
set -euo pipefail

usage="usage: $0 start|stop FOLDER"
action=${1:?$usage}
folder=${2:?$usage}
export SLURM_CONF=$folder/slurm.conf

free_ports() {
  python3 -c '
import socket
sockets = [socket.socket() for _ in range(2)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in sockets])'
}

wait_for() {  # wait_for WHAT COMMAND...: tries for 20 seconds.
  local what=$1
  shift
  for _ in $(seq 100); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  echo "$what did not start; its log lies in $folder" >&2
  stop
  exit 1
}

configure() {
  local ctld_port slurmd_port
  read -r ctld_port slurmd_port < <(free_ports)
  # 4 CPUs are claimed whatever the machine has, so that jobs run side by side.
  # A requeued job may start when the credential of its first start has expired: 5 seconds.
  cat >"$SLURM_CONF" <<CONF
ClusterName=imggen
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=$ctld_port
SlurmdPort=$slurmd_port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=1,sched_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
MpiDefault=none
NodeName=$(hostname) NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

start() {
  mkdir -p "$folder/state" "$folder/spool"
  chmod 755 "$folder"
  configure
  (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
  munged --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
    --seed-file="$folder/munged.seed"
  slurmctld -D >"$folder/slurmctld.out" 2>&1 </dev/null &
  slurmd -D >"$folder/slurmd.out" 2>&1 </dev/null &
  wait_for slurmctld scontrol ping
  wait_for slurmd sh -c 'sinfo --noheader --format=%t | grep -qx idle'
  echo "export SLURM_CONF=$SLURM_CONF"
}

stop() {
  # No job may outlive its cluster.
  scancel --user="$(id -un)" 2>/dev/null || true
  for _ in $(seq 75); do
    if [[ -z $(squeue --noheader 2>/dev/null) ]]; then break; fi
    sleep 0.2
  done
  for name in slurmctld slurmd munged; do
    if [[ -s $folder/$name.pid ]]; then kill "$(cat "$folder/$name.pid")" 2>/dev/null || true; fi
  done
}

case $action in
  start | stop) "$action" ;;
  *) echo "$usage" >&2; exit 2 ;;
esac
