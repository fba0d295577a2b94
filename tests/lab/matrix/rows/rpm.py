"""The rpm family: Amazon Linux, RHEL and their kin, each wired in its own way."""

from matrix.row import DENIED, UNREACHED, fault, healthy

RUN = "/opt/aws/bin/eic_run_authorized_keys"
FILES, WIRED = "os.package.keys-command-files", "os.sshd.authorized-keys-command"
CONF = "/etc/ssh/sshd_config"
RESTART = "systemctl restart sshd"
# Where Amazon Linux 2 has no sshd_config.d, a line at the top counts as well.
FIRST = "sed -i '1i {}' /etc/ssh/sshd_config; " + RESTART


def first(line: str) -> str:
    return FIRST.format(line)


ROWS = [
    healthy("Amazon Linux 2", "", platform="al2", warns=()),
    healthy("Amazon Linux 2023", "", platform="al2023", warns=()),
    healthy("RHEL 8, wired by a drop-in", "", platform="rhel8", warns=()),
    healthy("RHEL 9, wired in sshd_config.d", "", platform="rhel9", warns=()),
    healthy("CentOS Stream 9", "", platform="centos9", warns=()),
    healthy("AlmaLinux 9, which AWS does not list", "", platform="almalinux9", warns=("os.host.supported",)),
    healthy("Rocky Linux 9, which AWS does not list", "", platform="rocky9", warns=("os.host.supported",)),
    healthy("RHEL 10, which AWS does not list", "", platform="rhel10", warns=("os.host.supported",)),
    healthy("Fedora, which AWS does not list", "", platform="fedora41", warns=("os.host.supported",)),
    healthy("Amazon Linux 2 on another port, which is dialled", "", platform="al2", spec={"ssh_port": 2222}, port=2222),
    healthy("RHEL 8 on another port, which is dialled", "", platform="rhel8", spec={"ssh_port": 2222}, port=2222),
    healthy("an old package of Amazon Linux 2 where tokens are optional", "",
            platform="al2", spec={"package_version": "1.1-11.amzn2", "http_tokens": "optional"}),
    healthy("RHEL 9 with the home directory gone and the password locked", "rm -rf /home/ec2-user; usermod -L ec2-user",
            platform="rhel9"),
    healthy("Amazon Linux 2023 with its SELinux module removed", "rpm -e --nodeps ec2-instance-connect-selinux",
            platform="al2023"),
    healthy("RHEL 9 with /opt a file system of its own",
            "cp -a /opt /root/opt; mount -t tmpfs -o mode=0755 tmpfs /opt; cp -a /root/opt/. /opt", platform="rhel9"),
    fault("Amazon Linux 2 without the package", DENIED, "os.package.installed", "", platform="al2", spec={"package_version": None}),
    fault("Amazon Linux 2023 minimal: no package", DENIED, "os.package.installed", "",
          platform="al2023", spec={"package_version": None}),
    fault("Amazon Linux 2023 after the package was removed", DENIED, "os.package.installed",
          "rpm -e ec2-instance-connect ec2-instance-connect-selinux", platform="al2023"),
    fault("Amazon Linux 2: a script is gone", DENIED, FILES, "rm /opt/aws/bin/eic_parse_authorized_keys", platform="al2"),
    fault("Amazon Linux 2023: the keys command is not executable", DENIED, FILES, f"chmod 0644 {RUN}", platform="al2023"),
    fault("RHEL 9: /opt is root's alone after hardening", DENIED, FILES, "chmod 0700 /opt", platform="rhel9"),
    fault("RHEL 8: /opt/aws is world-writable", DENIED, FILES, "chmod 0777 /opt/aws", platform="rhel8"),
    fault("Amazon Linux 2: the two lines are gone from sshd_config", DENIED, WIRED, f"sed -i /AuthorizedKeysCommand/d {CONF}; {RESTART}",
          platform="al2"),
    fault("Amazon Linux 2023: another line comes first", DENIED, WIRED, first("AuthorizedKeysCommand none"), platform="al2023"),
    fault("RHEL 8: the drop-in is gone", DENIED, WIRED,
          f"rm /usr/lib/systemd/system/sshd.service.d/ec2-instance-connect.conf; systemctl daemon-reload; {RESTART}",
          platform="rhel8"),
    fault("RHEL 8: an override starts sshd its own way", DENIED, WIRED,
          "mkdir -p /etc/systemd/system/sshd.service.d; printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/sshd -D $OPTIONS\\n' "
          f">/etc/systemd/system/sshd.service.d/override.conf; systemctl daemon-reload; {RESTART}", platform="rhel8"),
    fault("RHEL 9: the file of sshd_config.d is gone", DENIED, WIRED,
          f"rm /etc/ssh/sshd_config.d/60-ec2-instance-connect.conf; {RESTART}", platform="rhel9"),
    fault("RHEL 9: sshd_config does not include sshd_config.d", DENIED, WIRED, f"sed -i '/^Include/d' {CONF}; {RESTART}",
          platform="rhel9"),
    fault("RHEL 9: SSSD's keys command comes first", DENIED, WIRED,
          "printf '#!/bin/sh\\n' >/usr/bin/sss_ssh_authorizedkeys; chmod 0755 /usr/bin/sss_ssh_authorizedkeys; "
          "printf 'AuthorizedKeysCommand /usr/bin/sss_ssh_authorizedkeys\\nAuthorizedKeysCommandUser nobody\\n' "
          f">/etc/ssh/sshd_config.d/04-ipa.conf; {RESTART}", platform="rhel9"),
    fault("Amazon Linux 2023: the keys user is gone", DENIED, "os.account.keys-user", "userdel ec2-instance-connect",
          platform="al2023"),
    fault("Amazon Linux 2023: sshd listens on another port", UNREACHED, "os.sshd.port", "", platform="al2023", spec={"ssh_port": 2222}),
    fault("RHEL 9: a firewall against the keys user", DENIED, "os.imds.token-as-keys-user",
          "nft add table inet g; nft add chain inet g o '{ type filter hook output priority 0; }'; "
          "nft add rule inet g o ip daddr 169.254.169.254 meta skuid ec2-instance-connect reject", platform="rhel9"),
    fault("RHEL 8: IMDS is switched off", DENIED, "os.imds.token", "", platform="rhel8", imds={"http_endpoint": "disabled"}),
]  # fmt: skip
