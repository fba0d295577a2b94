"""Packet filters, hosts.deny, bans and routes."""

from matrix.row import Row

PACKETS, BANS, RETURN = "os.firewall.packets", "os.firewall.bans", "os.network.return-route"
# What ufw writes, as far as it matters: rules of the user's in chains of their own, and a policy that drops.
# firewalld's shape: zones by interface, a service in the zone's allow chain, and a reject at the end.


def nft(*rules: str, policy: str = "accept", hook: str = "input", family: str = "inet") -> str:
    chain = f"nft add table {family} f; nft add chain {family} f c '{{ type filter hook {hook} priority 0; policy {policy}; }}'"
    return "; ".join([chain, *(f"nft add rule {family} f c {rule}" for rule in rules)])


ROWS: list[Row] = []
