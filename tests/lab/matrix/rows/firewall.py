"""Packet filters, hosts.deny, bans and routes."""

from matrix.row import BROWSER, UNREACHED, fault

PACKETS, BANS, RETURN = "os.firewall.packets", "os.firewall.bans", "os.network.return-route"


def nft(*rules: str, policy: str = "accept", hook: str = "input", family: str = "inet") -> str:
    chain = f"nft add table {family} f; nft add chain {family} f c '{{ type filter hook {hook} priority 0; policy {policy}; }}'"
    return "; ".join([chain, *(f"nft add rule {family} f c {rule}" for rule in rules)])


ROWS = [
    fault("nft drops port 22", UNREACHED, PACKETS, nft("tcp dport 22 drop")),
    fault("nft rejects port 22", UNREACHED, PACKETS, nft("tcp dport 22 reject")),
    fault("nft resets connections to port 22", UNREACHED, PACKETS, nft("tcp dport 22 reject with tcp reset")),
    fault("nft drops the client's address", UNREACHED, PACKETS, nft("ip saddr 203.0.113.7 drop")),
    fault("nft drops the client's network by a set", UNREACHED, PACKETS, nft("ip saddr '{ 198.51.100.0/24, 203.0.113.0/24 }' drop")),
    fault("nft drops all ports below 1024", UNREACHED, PACKETS, nft("tcp dport 1-1023 drop")),
    fault("nft's policy drops, and one network is let in", UNREACHED, PACKETS,
          nft("ct state established,related accept", "iif lo accept", "ip saddr 10.0.0.0/8 tcp dport 22 accept", policy="drop")),
    fault("nft's policy drops, and another port is let in", UNREACHED, PACKETS,
          nft("ct state established,related accept", "iif lo accept", "tcp dport '{ 80, 443 }' accept", policy="drop")),
    fault("nft drops before routing", UNREACHED, PACKETS, nft("tcp dport 22 drop", hook="prerouting")),
    fault("nft drops what sshd answers", UNREACHED, PACKETS, nft("tcp sport 22 drop", hook="output")),
    fault("nft drops new connections", UNREACHED, PACKETS, nft("ct state new drop")),
    fault("nft of the family ip drops port 22", UNREACHED, PACKETS, nft("tcp dport ssh drop", family="ip")),
    fault("a later chain drops what an earlier one let in", UNREACHED, PACKETS,
          "nft add table inet a; nft add chain inet a c '{ type filter hook input priority -10; }'; "
          "nft add rule inet a c tcp dport 22 accept; " + nft("tcp dport 22 drop")),
    fault("nft drops IPv6, which is dialled", UNREACHED, PACKETS, nft("meta nfproto ipv6 tcp dport 22 drop"),
          spec={"ipv6": "2001:db8:a::5"}, address="2001:db8:a::5", source="2001:db8:c::7"),
    fault("nft lets my own address in, the browser's range not", UNREACHED, PACKETS,
          nft("ct state established,related accept", "iif lo accept", "ip saddr 203.0.113.7 tcp dport 22 accept", policy="drop"),
          via="browser", source=BROWSER),
    fault("iptables drops port 22", UNREACHED, PACKETS, "iptables -A INPUT -p tcp --dport 22 -j DROP"),
    fault("iptables rejects the client's network", UNREACHED, PACKETS, "iptables -A INPUT -s 203.0.113.0/24 -j REJECT"),
    fault("iptables' policy drops and knows no port 22", UNREACHED, PACKETS,
          "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT; "
          "iptables -P INPUT DROP"),
    fault("iptables rejects what nothing let in", UNREACHED, PACKETS,
          "iptables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT; "
          "iptables -A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT; "
          "iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited"),
    fault("iptables has a chain of its own that drops", UNREACHED, PACKETS,
          "iptables -N guard; iptables -A guard -p tcp --dport 22 -j DROP; iptables -A INPUT -i eth0 -j guard"),
    fault("iptables drops in the raw table", UNREACHED, PACKETS, "iptables -t raw -A PREROUTING -p tcp --dport 22 -j DROP"),
    fault("iptables drops what leaves for the client", UNREACHED, PACKETS, "iptables -A OUTPUT -d 203.0.113.0/24 -j DROP"),
    fault("hosts.deny denies sshd", UNREACHED, "os.firewall.hosts-access", "echo 'sshd: ALL' >>/etc/hosts.deny"),
    fault("hosts.deny denies all", UNREACHED, "os.firewall.hosts-access", "echo 'ALL: ALL' >>/etc/hosts.deny"),
    fault("hosts.deny denies the client's network", UNREACHED, "os.firewall.hosts-access", "echo 'sshd: 203.0.113.' >>/etc/hosts.deny"),
    fault("hosts.deny denies all but another network", UNREACHED, "os.firewall.hosts-access",
          "echo 'ALL: ALL EXCEPT 10.0.0.0/255.0.0.0' >>/etc/hosts.deny"),
    fault("hosts.allow denies the client", UNREACHED, "os.firewall.hosts-access", "echo 'sshd: 203.0.113.0/24: DENY' >>/etc/hosts.allow"),
    fault("hosts.deny denies the browser's range, hosts.allow admits me", UNREACHED, "os.firewall.hosts-access",
          "echo 'sshd: ALL' >>/etc/hosts.deny; echo 'sshd: 203.0.113.7' >>/etc/hosts.allow", via="browser", source=BROWSER),
    fault("sshguard's set has the client", UNREACHED, BANS,
          "nft add table ip sshguard; nft add set ip sshguard attackers '{ type ipv4_addr; flags interval; }'; "
          "nft add chain ip sshguard blacklist '{ type filter hook input priority -10; }'; "
          "nft add rule ip sshguard blacklist ip saddr @attackers drop; nft add element ip sshguard attackers '{ 203.0.113.7 }'"),
    fault("the route back is a blackhole", UNREACHED, RETURN, "ip route add blackhole 203.0.113.0/24"),
    fault("there is no default route", UNREACHED, RETURN, "ip route del default"),
    fault("a rule forbids the way back", UNREACHED, RETURN, "ip rule add to 203.0.113.0/24 prohibit"),
    fault("a rule sends the instance's replies into an empty table's blackhole", UNREACHED, RETURN,
          "ip rule add from 10.0.1.5 lookup 100; ip route add blackhole default table 100"),
    fault("replies leave by another interface", UNREACHED, RETURN,
          "ip link add eth1 type veth peer name away; ip link set eth1 up; ip link set away up; ip addr add 10.0.2.5/24 dev eth1; "
          "ip route add 203.0.113.0/24 via 10.0.2.1 dev eth1"),
    fault("a VPN took the default route", UNREACHED, RETURN,
          "ip link add tun0 type veth peer name away; ip link set tun0 up; ip link set away up; ip addr add 10.8.0.2/24 dev tun0; "
          "ip route add 0.0.0.0/1 via 10.8.0.1 dev tun0; ip route add 128.0.0.0/1 via 10.8.0.1 dev tun0; "
          "ip route add 169.254.169.254 via 10.0.1.1 dev eth0"),
]  # fmt: skip
