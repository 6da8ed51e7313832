#!/usr/bin/env bash
# A Slurm of two nodes on one machine, in a folder and on ports of its own: runs COMMAND, which finds it by SLURM_CONF.
#   tests/processes/slurm_two_nodes.sh 'srun -N 2 -n 3 build/release/millrace train SPEC --out DIR'
# Needs root, slurmctld, slurmd, slurm-client and munge: exit status 77 where it cannot be had, otherwise COMMAND's.
set -u
for needed in slurmctld slurmd srun munged perl; do command -v "$needed" >/dev/null || exit 77; done
[[ $(id -u) == 0 ]] || exit 77
home=$(mktemp -d /tmp/millrace_slurm.XXXXXX)
started=()
end() {
  for ((i = ${#started[@]} - 1; i >= 0; --i)); do kill "${started[i]}" 2>/dev/null; done
  wait
  rm -rf "$home"
}
trap end EXIT
background() { # COMMAND...: goes on beside this script, without its output.
  "$@" >>"$home/daemons" 2>&1 &
  started+=($!)
}
read -r controller first second < <(perl -MIO::Socket::INET -e '
  my @held = map { IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") } 1 .. 3; print join(" ", map { $_->sockport } @held), "\n"')
chmod 755 "$home"
mkdir "$home"/{munge,state,n1,n2}
head -c 1024 /dev/urandom >"$home/munge/key"
chmod 700 "$home/munge"
chmod 400 "$home/munge/key"
mkdir -m 755 "$home/socket"
cat >"$home/slurm.conf" <<C
ClusterName=two
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$controller
# Ports of ranks come from a job's number: two such clusters on one machine must not count alike.
FirstJobId=$((1000 + RANDOM))
AuthType=auth/munge
AuthInfo=socket=$home/socket/munge
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/%n
SlurmctldPidFile=$home/controller.pid
SlurmdPidFile=$home/%n.pid
SlurmctldLogFile=$home/controller.log
SlurmdLogFile=$home/%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
NodeName=127.0.0.1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$first CPUs=16 RealMemory=1000 State=UNKNOWN
NodeName=127.0.0.2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$second CPUs=16 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:8
C
export SLURM_CONF=$home/slurm.conf
ln -s "$home/n1" "$home/127.0.0.1"
ln -s "$home/n2" "$home/127.0.0.2"
background munged --foreground --force --key-file="$home/munge/key" --socket="$home/socket/munge" --pid-file="$home/munge/pid" --log-file="$home/munge/log" --seed-file="$home/munge/seed"
for ((i = 0; i < 100; ++i)); do [[ -S $home/socket/munge ]] && break; sleep 0.1; done
background slurmctld -D -f "$SLURM_CONF"
background slurmd -D -N 127.0.0.1 -f "$SLURM_CONF"
background slurmd -D -N 127.0.0.2 -f "$SLURM_CONF"
for ((i = 0; i < 3000; ++i)); do
  [[ $(sinfo -h -N -o %T 2>/dev/null | grep -c idle) == 2 ]] && break
  sleep 0.1
done
if ((i == 3000)); then
  cat "$home"/*.log "$home/daemons" >&2
  exit 77
fi
bash -c "$1"
