"""The instance metadata service, as sshd's keys command reaches it."""

from matrix.row import DENIED, fault

BLOCK = """
nft add table inet guard
nft add chain inet guard out '{{ type filter hook output priority 0; }}'
nft add rule inet guard out ip daddr 169.254.169.254 {rule}
"""
KEYS_USER = "meta skuid ec2-instance-connect"


def block(rule: str) -> str:
    return BLOCK.format(rule=rule)


KEYS = "meta-data/managed-ssh-keys"
TOKEN = "os.imds.token"
AS_KEYS_USER = "os.imds.token-as-keys-user"

ROWS = [
    fault("the metadata service is switched off", DENIED, TOKEN, "", imds={"http_endpoint": "disabled"}),
    fault("a firewall refuses IMDS to the keys user", DENIED, AS_KEYS_USER, block(f"{KEYS_USER} reject")),
    fault("a firewall drops the keys user's packets to IMDS", DENIED, AS_KEYS_USER, block(f"{KEYS_USER} drop")),
    fault("a firewall lets root alone reach IMDS", DENIED, AS_KEYS_USER, block("meta skuid != 0 reject with tcp reset")),
    fault("a firewall refuses IMDS to everybody", DENIED, TOKEN, block("reject")),
    fault("a firewall drops everybody's packets to IMDS", DENIED, TOKEN, block("drop")),
    fault("iptables refuses IMDS to all but root", DENIED, AS_KEYS_USER,
          "iptables -A OUTPUT -d 169.254.169.254 -m owner ! --uid-owner root -j REJECT"),
    fault("the route to IMDS is a blackhole", DENIED, TOKEN, "ip route add blackhole 169.254.169.254"),
    fault("the route to IMDS is prohibited", DENIED, TOKEN, "ip route add prohibit 169.254.0.0/16"),
    fault("a rule prohibits all that the keys user sends", DENIED, AS_KEYS_USER,
          "uid=$(id -u ec2-instance-connect); ip rule add uidrange $uid-$uid prohibit"),
    fault("a VPN took the link-local range", DENIED, TOKEN,
          "ip link add tun7 type veth peer name tun8; ip link set tun7 up; ip link set tun8 up; ip route add 169.254.0.0/16 dev tun7"),
    fault("IMDS is throttled for the token", DENIED, TOKEN, "", imds={"statuses": {"api/token": 503}}),
    fault("IMDS wants what a proxy forwards refused", DENIED, TOKEN, "", imds={"statuses": {"api/token": 403}}),
    fault("IMDS takes longer than a second", DENIED, TOKEN, "", imds={"delay_ms": 1300}),
    fault("IMDS does not know the instance", DENIED, "os.imds.instance-id", "", imds={"statuses": {"meta-data/instance-id": 404}}),
    fault("the instance's id has not the form of one", DENIED, "os.imds.instance-id", "", imds={"instance_id": "i-lab"}),
    fault("the instance stands in a Local Zone", DENIED, "os.imds.availability-zone", "",
          imds={"availability_zone": "us-west-2-lax-1a"}),
    fault("the instance stands in a Wavelength Zone", DENIED, "os.imds.availability-zone", "",
          imds={"availability_zone": "us-east-1-wl1-bos-wlz-1"}),
    fault("IMDS does not tell the Availability Zone", DENIED, "os.imds.availability-zone", "",
          imds={"statuses": {"meta-data/placement/availability-zone": 404}}),
    fault("the services' domain is of another partition", DENIED, "os.imds.domain", "", imds={"domain": "amazonaws.eu"}),
    fault("IMDS does not tell the services' domain", DENIED, "os.imds.domain", "",
          imds={"statuses": {"meta-data/services/domain": 404}}),
    fault("IMDS is throttled after the token", DENIED, "os.imds.instance-id", "", imds={"statuses": {"meta-data/instance-id": 503}}),
    fault("IMDS is throttled when asked for a key", DENIED, "os.imds.pushed-keys", "",
          imds={"statuses": {f"{KEYS}/active-keys/ec2-user": 503}}),
    fault("IMDS has a key and not the signer's certificate", DENIED, "os.imds.pushed-keys", "",
          imds={"statuses": {f"{KEYS}/signer-cert": 404}}),
    fault("IMDS has a key and no list of OCSP responses", DENIED, "os.imds.pushed-keys", "",
          imds={"statuses": {f"{KEYS}/signer-ocsp": 404}}),
    fault("every request takes long, none a second", DENIED, "os.imds.time-budget", "", imds={"delay_ms": 700}),
]  # fmt: skip
