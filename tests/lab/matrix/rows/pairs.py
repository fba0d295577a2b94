"""Two faults that have nothing to do with each other: both must be named, and nothing else."""

from matrix.row import DENIED, UNREACHED, pair
from matrix.rows.imds import KEYS_USER, block
from matrix.rows.package import RUN, SCRIPTS
from matrix.rows.sshd import BARE, RESTART, conf, match

FILES, WIRED = "os.package.keys-command-files", "os.sshd.authorized-keys-command"
TOKEN, AS_KEYS_USER = "os.imds.token", "os.imds.token-as-keys-user"

ROWS = [
    pair("files and IMDS", DENIED, (FILES, TOKEN), f"chmod 0644 {RUN}", imds={"http_endpoint": "disabled"}),
    pair("files and a firewall against the keys user", DENIED, (FILES, AS_KEYS_USER), f"chmod 0700 {SCRIPTS}; " + block(f"{KEYS_USER} reject")),
    pair("wiring and IMDS", DENIED, (WIRED, TOKEN), f"{BARE}; {RESTART}", imds={"http_endpoint": "disabled"}),
    pair("wiring and port", UNREACHED, (WIRED, "os.sshd.port"), f"{BARE}; {conf('Port 2222')}"),
    pair("a Match block and a Local Zone", DENIED, (WIRED, "os.imds.availability-zone"), match("User ec2-user", "AuthorizedKeysCommand none"),
         imds={"availability_zone": "us-west-2-lax-1a"}),
    pair("sshd stopped and the keys user gone", UNREACHED, ("os.sshd.running", "os.account.keys-user"),
         "userdel ec2-instance-connect; systemctl stop ssh"),
    pair("sshd masked and IMDS", UNREACHED, ("os.sshd.running", TOKEN), "systemctl stop ssh; systemctl mask ssh",
         imds={"http_endpoint": "disabled"}),
]  # fmt: skip
