#!/usr/bin/env bash
# Two hosts on one machine, of which the first has two networks: the one that comes first (a bridge of containers, say) does not lead to
# the other host. The first host's name is loopback to itself, as Debian's installer writes it, and its real address to the other.
# Runs COMMAND as ranks 0 and 1. Needs root and ip: exit status 77 where it cannot be done, otherwise rank 0's.
set -u
a=mi$$a b=mi$$b
end() {
  ip netns del "$a" 2>/dev/null
  ip netns del "$b" 2>/dev/null
  rm -rf "/etc/netns/$a" "/etc/netns/$b"
}
trap end EXIT
side() { # NAMESPACE DEVICE ADDRESS
  ip link set "$2" netns "$1" && ip -n "$1" addr add "$3/24" dev "$2" && ip -n "$1" link set "$2" up
}
{
  ip netns add "$a" && ip netns add "$b" && ip -n "$a" link set lo up && ip -n "$b" link set lo up &&
    ip -n "$a" link add first type veth peer name nowhere && ip -n "$a" addr add 10.231.9.1/24 dev first && ip -n "$a" link set first up &&
    ip -n "$a" link set nowhere up && ip link add "$a" type veth peer name "$b" && side "$a" "$a" 10.231.8.1 && side "$b" "$b" 10.231.8.2 &&
    mkdir -p "/etc/netns/$a" "/etc/netns/$b" && printf '127.0.0.1 localhost\n127.0.1.1 first-host\n' >"/etc/netns/$a/hosts" &&
    printf '127.0.0.1 localhost\n10.231.8.1 first-host\n' >"/etc/netns/$b/hosts"
} 2>/dev/null || exit 77

export WORLD_SIZE=2 LOCAL_RANK=0 MASTER_ADDR=first-host MASTER_PORT=29512
unset GLOO_SOCKET_IFNAME
RANK=1 ip netns exec "$b" "$@" >/dev/null &
RANK=0 ip netns exec "$a" "$@"
status=$?
wait
exit $status
