"""ufw, firewalld and fail2ban themselves, as Debian packages them: what they are told, and what that does to a login."""

from typing import Any

from matrix.row import BROWSER, UNREACHED, Row, fault, healthy, pair

PACKETS, BANS = "os.firewall.packets", "os.firewall.bans"
FIREWALLS = {"platform": "debian-firewalls"}
IPV6 = {"spec": FIREWALLS | {"ipv6": "2001:db8:a::5"}, "address": "2001:db8:a::5", "source": "2001:db8:c::7"}


def ufw(*orders: str) -> str:
    return "; ".join([*(f"ufw {order}" for order in orders), "ufw --force enable"])


def firewalld(*orders: str) -> str:
    # It is started before its rules are in.
    started = "systemctl start firewalld; until firewall-cmd --state >/dev/null 2>&1; do :; done"
    return "; ".join([started, *(f"firewall-cmd {order}" for order in orders)])


def permanently(*orders: str) -> str:
    return firewalld(*(f"--permanent {order}" for order in orders), "--reload")


def fail2ban(*bans: tuple[str, str], action: str = "iptables-multiport", before: str = ":") -> str:
    """Bans of an address or net in a jail. The program carries them out in its own time, after it has taken the order."""
    jails = f"[DEFAULT]\\nbackend = systemd\\nbanaction = {action}\\n[recidive]\\nenabled = true\\nbackend = auto\\n"
    taken = [f"fail2ban-client set {jail} banip {net}" for jail, net in bans]
    done = [f"until grep -q '\\[{jail}\\] Ban {net}' /var/log/fail2ban.log; do :; done" for jail, net in bans]
    return "; ".join([
        before, f"printf '{jails}' >/etc/fail2ban/jail.d/lab.local", "systemctl start fail2ban",
        "until fail2ban-client ping >/dev/null 2>&1; do :; done", *taken, *done,
    ])  # fmt: skip


def refused(name: str, script: str, cause: str = PACKETS, **more: Any) -> Row:
    return fault(name, UNREACHED, cause, script, **{"spec": FIREWALLS, **more})


def well(name: str, script: str, **more: Any) -> Row:
    return healthy(name, script, **{"spec": FIREWALLS, **more})


ROWS = [
    refused("ufw is on and lets nothing in", ufw()),
    refused("ufw lets another network in", ufw("allow from 10.0.0.0/8 to any port 22 proto tcp")),
    refused("ufw denies the client before it allows ssh", ufw("deny from 203.0.113.0/24", "allow OpenSSH")),
    refused("ufw rejects ssh", ufw("reject 22/tcp")),
    refused("ufw rejects what nothing let in", ufw("default reject incoming")),
    refused("ufw lets IPv4 in, and IPv6 is dialled", ufw("allow from 0.0.0.0/0 to any port 22"), **IPV6),
    refused("ufw lets my own address in, the browser's range not", ufw("allow from 203.0.113.7 to any port 22"),
            via="browser", source=BROWSER),
    refused("ufw's before.rules drop ssh",
            "sed -i '/^# End required lines/a -A ufw-before-input -p tcp --dport 22 -j DROP' /etc/ufw/before.rules; " + ufw("allow 22")),
    refused("firewalld's zone has no ssh", permanently("--remove-service=ssh")),
    refused("firewalld has the interface in the zone drop", permanently("--zone=drop --add-interface=eth0")),
    refused("firewalld has the client's network in the zone block", permanently("--zone=block --add-source=203.0.113.0/24")),
    refused("firewalld's rich rule rejects the client",
            permanently("'--add-rich-rule=rule family=ipv4 source address=203.0.113.0/24 reject'")),
    refused("firewalld knows port 22 alone, and sshd has another", "echo 'Port 2222' >/etc/ssh/sshd_config.d/port.conf; "
            "systemctl restart ssh; " + firewalld(), port=2222),
    refused("firewalld drops IPv6 by a direct rule",
            firewalld("--direct --add-rule ipv6 filter INPUT 0 -p tcp --dport 22 -j DROP"), **IPV6),
    refused("firewalld writes iptables' tables, and its zone has no ssh",
            "sed -i 's/^FirewallBackend=.*/FirewallBackend=iptables/' /etc/firewalld/firewalld.conf; "
            + permanently("--remove-service=ssh")),
    refused("firewalld panics", firewalld("--panic-on")),
    refused("fail2ban banned the client", fail2ban(("sshd", "203.0.113.7")), BANS),
    refused("fail2ban banned the client's network", fail2ban(("sshd", "203.0.113.0/24")), BANS),
    refused("fail2ban banned the client in two jails", fail2ban(("sshd", "203.0.113.7"), ("recidive", "203.0.113.7")), BANS),
    refused("fail2ban banned the client by nftables", fail2ban(("sshd", "203.0.113.7"), action="nftables-multiport"), BANS),
    refused("fail2ban banned the client by a set", fail2ban(("sshd", "203.0.113.7"), action="iptables-ipset-proto6"), BANS),
    refused("fail2ban banned an address of the browser's range", fail2ban(("sshd", BROWSER), action="nftables-multiport"), BANS,
            via="browser", source=BROWSER),
    refused("fail2ban banned the client by ufw", fail2ban(("sshd", "203.0.113.7"), action="ufw", before=ufw("allow 22"))),
    refused("fail2ban banned the client by firewalld's rich rule",
            fail2ban(("sshd", "203.0.113.7"), action="firewallcmd-rich-rules", before=firewalld())),
    well("ufw lets ssh in", ufw("allow OpenSSH")),
    well("ufw limits ssh", ufw("limit 22/tcp")),
    well("ufw denies another port", ufw("allow 22", "deny 23")),
    well("firewalld as it is installed", firewalld()),
    well("firewalld drops all but a network in a zone of its own",
         permanently("--set-default-zone=drop", "--zone=trusted --add-source=203.0.113.0/24").replace("--permanent --set-d", "--set-d")),
    well("firewalld writes iptables' tables, and its zone has ssh",
         "sed -i 's/^FirewallBackend=.*/FirewallBackend=iptables/' /etc/firewalld/firewalld.conf; " + firewalld()),
    well("fail2ban runs and has no ban", fail2ban()),
    well("fail2ban banned somebody else", fail2ban(("sshd", "198.51.100.9"), ("recidive", "198.51.100.9"))),
    well("fail2ban banned somebody else by nftables", fail2ban(("sshd", "198.51.100.9"), action="nftables-multiport")),
    pair("a ban and a Match block", UNREACHED, (BANS, "os.sshd.authorized-keys-command"),
         "printf 'Match User ec2-user\\n  AuthorizedKeysCommand none\\n' >>/etc/ssh/sshd_config; systemctl restart ssh; "
         + fail2ban(("sshd", "203.0.113.7")), spec=FIREWALLS),
]  # fmt: skip
