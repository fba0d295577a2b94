#!/bin/sh
# Records what real packet filters and routes look like, into the folder $1. Run as root inside an instance of the lab into whose base
# `iptables ufw firewalld fail2ban ipset python3` were installed besides; $2 is `words.nft`. Leaves the instance in disorder.
set -eu
out=$1 words=$2
mkdir -p "$out"
cd /

saves() {
  iptables-nft-save >"$out/$1.iptables-save"
  ip6tables-nft-save >"$out/$1.ip6tables-save"
}
clean() { nft flush ruleset; }

# netlink(7) is binary, in the byte order of this machine: NAME PROTOCOL TYPE HEADER-LENGTH FAMILY…
dump() {
  python3 - "$@" >"$out/$1.netlink" <<'PYTHON'
import socket, struct, sys
protocol, kind, length, *families = (int(word) for word in sys.argv[2:])
for family in families:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as asked:
        header = bytes([family]) + bytes(length - 1)
        asked.send(struct.pack("=IHHII", 16 + length, kind, 0x301, 0, 0) + header)
        done = False
        while not done:
            rest = asked.recv(65536)
            while rest and not done:
                size, found = struct.unpack_from("=IH", rest)
                done = found == 3
                if not done:
                    sys.stdout.buffer.write(rest[: (size + 3) & ~3])
                rest = rest[(size + 3) & ~3 :]
PYTHON
}

clean
nft -f "$words"
nft -j list ruleset >"$out/words.nft.json"
dump chains 12 2564 4 0
clean

systemctl start firewalld
sleep 3
nft -j list ruleset >"$out/firewalld.nft.json"
systemctl stop firewalld
clean

ufw limit 22/tcp
ufw deny from 198.51.100.0/24
sed -i s/ENABLED=no/ENABLED=yes/ /etc/ufw/ufw.conf
# It fails to write to /proc/sys here, after the rules are in place.
ufw --force enable || true
saves ufw
nft -j list ruleset >"$out/ufw.nft.json"
ufw --force reset || true
sed -i s/ENABLED=yes/ENABLED=no/ /etc/ufw/ufw.conf
clean

touch /var/log/auth.log
for action in iptables-multiport nftables-multiport iptables-ipset-proto6; do
  printf '[sshd]\nenabled = true\nlogpath = /var/log/auth.log\nbackend = polling\nbanaction = %s\n' "$action" >/etc/fail2ban/jail.local
  fail2ban-client start
  sleep 1
  fail2ban-client set sshd banip 198.51.100.9 203.0.113.7
  sleep 2
  case $action in
    nftables*) nft -j list ruleset >"$out/fail2ban.nft.json" ;;
    *) iptables-nft-save >"$out/fail2ban-$action.iptables-save" ;;
  esac
  ipset save >"$out/fail2ban.ipset"
  fail2ban-client stop
  sleep 1
  clean
done

# A second interface with a table of its own, a tunnel as `wg-quick` sets it up, and a route that refuses.
ip link add eth1 type veth peer name eth1p
ip link add wg0 type veth peer name wg0p
for name in eth1 eth1p wg0 wg0p; do ip link set "$name" up; done
ip addr add 10.0.2.9/24 dev eth1
ip addr add 10.8.0.2/32 dev wg0
ip route add default via 10.0.2.1 dev eth1 table 10001 metric 100
ip rule add from 10.0.2.9 lookup 10001 priority 10001
ip route add default dev wg0 table 51820
ip rule add not fwmark 0xca6c table 51820 priority 32765
ip rule add table main suppress_prefixlength 0 priority 32764
ip rule add to 198.51.100.0/24 uidrange 1000-2000 ipproto tcp sport 22 dport 1024-65534 prohibit priority 50
ip rule add iif eth1 oif wg0 fwmark 0x10/0xff lookup main priority 51
ip rule add lookup main priority 60
ip rule add goto 60 priority 52
ip route add unreachable 198.51.100.9
ip route add throw 198.51.100.8 table 10001
ip route add 192.0.2.0/24 nexthop via 10.0.1.1 dev eth0 nexthop via 10.0.2.1 dev eth1
ip -o addr show >"$out/ip-address"
ip -4 rule show >"$out/ip-rule"
ip -6 rule show >"$out/ip-6-rule"
ip -4 route show table all >"$out/ip-route"
ip -6 route show table all >"$out/ip-6-route"
dump interfaces 0 18 16 0
dump addresses 0 22 8 2 10
dump rules 0 34 12 2 10
dump routes 0 26 12 2 10
