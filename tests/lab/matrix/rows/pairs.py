"""Two faults that have nothing to do with each other: both must be named, and nothing else."""

from matrix.row import CLOSED, DENIED, UNREACHED, pair
from matrix.rows.account import EXPIRED, NOLOGIN_SHELL
from matrix.rows.firewall import nft
from matrix.rows.host import harden
from matrix.rows.imds import KEYS_USER, block
from matrix.rows.package import RUN, SCRIPTS
from matrix.rows.sshd import BARE, CONF, RESTART, conf, match

FILES, WIRED = "os.package.keys-command-files", "os.sshd.authorized-keys-command"
TOKEN, AS_KEYS_USER = "os.imds.token", "os.imds.token-as-keys-user"
PACKETS = "os.firewall.packets"

ROWS = [
    pair("files and IMDS", DENIED, (FILES, TOKEN), f"chmod 0644 {RUN}", imds={"http_endpoint": "disabled"}),
    pair("files and a firewall against the keys user", DENIED, (FILES, AS_KEYS_USER), f"chmod 0700 {SCRIPTS}; " + block(f"{KEYS_USER} reject")),
    pair("files and DenyUsers", DENIED, (FILES, "os.sshd.user-allowed"), f"chmod 0777 {SCRIPTS}; {conf('DenyUsers ec2-user')}"),
    pair("files and a nologin shell", DENIED, (FILES, "os.account.shell"), f"rm {RUN}; {NOLOGIN_SHELL}"),
    pair("files and a tool", DENIED, (FILES, "os.host.tools"), f"chmod 0644 {SCRIPTS}/eic_parse_authorized_keys; chmod 0750 /usr/bin/curl"),
    pair("no package and a firewall", UNREACHED, ("os.package.installed", PACKETS),
         "dpkg --purge ec2-instance-connect; " + nft("tcp dport 22 drop")),
    pair("no package and an expired account", DENIED, ("os.package.installed", "os.account.expired"),
         f"dpkg --purge ec2-instance-connect; {EXPIRED}"),
    pair("no keys user and /dev/shm", DENIED, ("os.account.keys-user", "os.host.shared-memory"),
         "userdel ec2-instance-connect; mount -o remount,ro /dev/shm"),
    pair("wiring and IMDS", DENIED, (WIRED, TOKEN), f"{BARE}; {RESTART}", imds={"http_endpoint": "disabled"}),
    pair("wiring and port", UNREACHED, (WIRED, "os.sshd.port"), f"{BARE}; {conf('Port 2222')}"),
    pair("wiring and an expired account", DENIED, (WIRED, "os.account.expired"), f"{BARE}; {RESTART}; {EXPIRED}"),
    pair("wiring and AuthenticationMethods", DENIED, (WIRED, "os.sshd.authentication-methods"),
         f"{BARE}; {conf('AuthenticationMethods publickey,password')}"),
    pair("a Match block and a Local Zone", DENIED, (WIRED, "os.imds.availability-zone"), match("User ec2-user", "AuthorizedKeysCommand none"),
         imds={"availability_zone": "us-west-2-lax-1a"}),
    pair("public keys off and users denied", DENIED, ("os.sshd.public-key-authentication", "os.sshd.user-allowed"),
         conf("PubkeyAuthentication no\\nDenyUsers ec2-user")),
    pair("accepted algorithms and ForceCommand", DENIED, ("os.sshd.accepted-algorithms", "os.sshd.session"),
         conf("PubkeyAcceptedAlgorithms rsa-sha2-512\\nForceCommand /bin/false")),
    pair("revoked keys and /dev/shm", DENIED, ("os.sshd.revoked-keys", "os.host.shared-memory"),
         f"chmod 0755 /dev/shm; {conf('RevokedKeys /etc/ssh/nowhere')}"),
    pair("port and firewall", UNREACHED, ("os.sshd.port", PACKETS), f"{conf('Port 2222')}; " + nft("tcp dport 22 drop")),
    pair("sshd stopped and the keys user gone", UNREACHED, ("os.sshd.running", "os.account.keys-user"),
         "userdel ec2-instance-connect; systemctl stop ssh"),
    pair("sshd masked and IMDS", UNREACHED, ("os.sshd.running", TOKEN), "systemctl stop ssh; systemctl mask ssh",
         imds={"http_endpoint": "disabled"}),
    pair("sshd stopped and /etc/nologin", UNREACHED, ("os.sshd.running", "os.account.nologin"), "systemctl stop ssh; echo no >/etc/nologin"),
    pair("nologin shell and expired account", CLOSED, ("os.account.shell", "os.account.expired"), f"{NOLOGIN_SHELL}; {EXPIRED}"),
    pair("/etc/nologin and pam_access", CLOSED, ("os.account.nologin", "os.account.access"),
         "echo no >/etc/nologin; echo 'account required pam_access.so' >>/etc/pam.d/sshd; echo '-:ec2-user:ALL' >>/etc/security/access.conf"),
    pair("expired account and ForceCommand", CLOSED, ("os.account.expired", "os.sshd.session"), f"{EXPIRED}; {conf('ForceCommand /bin/false')}"),
    pair("no OS user and hosts.deny", UNREACHED, ("os.account.os-user", "os.firewall.hosts-access"),
         "userdel ec2-user; useradd -m -s /bin/bash ubuntu; echo 'sshd: ALL' >>/etc/hosts.deny"),
    pair("IMDS for the keys user and /dev/log", DENIED, (AS_KEYS_USER, "os.host.syslog"), block(f"{KEYS_USER} drop") + "\nrm /dev/log"),
    pair("clock and trust anchors", DENIED, ("os.trust.clock", "os.trust.certificate-authority"), "rm -rf /etc/ssl/certs",
         imds={"clock_offset": -600}),
    pair("clock and DMI", DENIED, ("os.trust.clock", "os.host.identity"), "mount -t tmpfs tmpfs /sys/devices/virtual/dmi/id",
         imds={"clock_offset": 600}),
    pair("trust anchors and a tool", DENIED, ("os.trust.certificate-authority", "os.host.tools"), "chmod 0700 /etc/ssl; rm /usr/bin/ssh-keygen"),
    pair("a tool and /dev/shm hidden", DENIED, ("os.host.tools", "os.host.shared-memory"),
         f"rm /usr/bin/base64; {harden('InaccessiblePaths=/dev/shm')}"),
    pair("the route back and the domain", UNREACHED, ("os.network.return-route", "os.imds.domain"), "ip rule add to 203.0.113.0/24 prohibit",
         imds={"domain": "amazonaws.eu"}),
    pair("the route back and users denied", UNREACHED, ("os.network.return-route", "os.sshd.user-allowed"),
         f"ip route add blackhole 203.0.113.0/24; {conf('AllowUsers admin')}"),
    pair("hosts.deny and a locked account without PAM", UNREACHED, ("os.firewall.hosts-access", "os.account.locked"),
         f"usermod -L ec2-user; {conf('UsePAM no')}; echo 'ALL: ALL' >>/etc/hosts.deny"),
    pair("root may not log in, and the keys command's files", DENIED, ("os.sshd.root-login", FILES),
         f"chmod 0644 {RUN}; {conf('PermitRootLogin no')}", os_user="root"),
    pair("a configuration that does not load and the metadata service", UNREACHED, ("os.sshd.configuration", TOKEN),
         f"echo 'PermitRootLogins no' >{CONF}; {RESTART} || :", imds={"http_endpoint": "disabled"}),
]  # fmt: skip
