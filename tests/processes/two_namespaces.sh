#!/usr/bin/env bash
# Two hosts on one machine: runs COMMAND as ranks 0 and 1, each in a network namespace of its own, joined by a veth pair that is shaped
# to RATE in either direction. For tests, and for what a slow link costs:
#   tests/processes/two_namespaces.sh 1gbit build/release/millrace train SPEC --set train.threads=1 --out DIR
# Needs root, ip and tc: exit status 77 where it cannot be done, otherwise rank 0's.
set -u
rate=$1
shift
a=mr$$a b=mr$$b
end() {
  ip netns del "$a" 2>/dev/null
  ip netns del "$b" 2>/dev/null
}
trap end EXIT
side() { # NAMESPACE ADDRESS
  ip link set "$1" netns "$1" && ip -n "$1" addr add "$2/24" dev "$1" && ip -n "$1" link set lo up && ip -n "$1" link set "$1" up &&
    tc -n "$1" qdisc add dev "$1" root tbf rate "$rate" burst 256kb latency 50ms
}
{
  ip netns add "$a" && ip netns add "$b" && ip link add "$a" type veth peer name "$b" && side "$a" 10.231.7.1 && side "$b" 10.231.7.2
} 2>/dev/null || exit 77

export WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=1 MASTER_ADDR=10.231.7.1 MASTER_PORT=29511
unset GLOO_SOCKET_IFNAME
RANK=1 ip netns exec "$b" "$@" >/dev/null &
RANK=0 ip netns exec "$a" "$@"
status=$?
wait
exit $status
