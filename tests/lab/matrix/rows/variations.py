"""What looks wrong to some, and lets the login work."""

from matrix.row import CLOSED, DENIED, healthy

RESTART = "systemctl restart ssh"
CONF = "/etc/ssh/sshd_config.d/a.conf"
SCRIPTS = "/usr/share/ec2-instance-connect"
RUN = f"{SCRIPTS}/eic_run_authorized_keys"
BARE = "rm /lib/systemd/system/ssh.service.d/ec2-instance-connect.conf; systemctl daemon-reload"
# For printf.
KEYS = f"AuthorizedKeysCommand {RUN} %%u %%f\\nAuthorizedKeysCommandUser ec2-instance-connect"


def conf(line: str) -> str:
    return f"printf '{line}\\n' >{CONF}; {RESTART}"


def match(criteria: str, line: str) -> str:
    return f"printf 'Match {criteria}\\n  {line}\\n' >>/etc/ssh/sshd_config; {RESTART}"


ROWS = [
    healthy("nothing was changed", "", warns=()),
    healthy("Debian, which AWS does not list", "", platform="debian", warns=("os.host.supported",)),
    healthy("Ubuntu 18.04", "", platform="ubuntu:18.04 bionic", warns=()),
    healthy("Ubuntu 24.04", "", platform="ubuntu:24.04 noble", warns=()),
    healthy("nothing is known of where the connection comes from", "", via="auto", told_source=None, warns=()),
    healthy("the keys command stands in sshd_config.d, not in the unit", f"{BARE}; {conf(KEYS)}"),
    healthy("the keys command stands in sshd_config, not in the unit",
            f"{BARE}; printf '{KEYS}\\n' >>/etc/ssh/sshd_config; {RESTART}"),
    healthy("a global AuthorizedKeysCommand none, which the unit's option beats", conf("AuthorizedKeysCommand none")),
    healthy("a Match block for another user has no keys command",
            f"printf 'Match User git\\n  AuthorizedKeysCommand none\\n' >>/etc/ssh/sshd_config; {RESTART}"),
    healthy("a Match block for other addresses has no keys command",
            f"printf 'Match Address 192.168.0.0/16\\n  AuthorizedKeysCommand none\\n' >>/etc/ssh/sshd_config; {RESTART}"),
    healthy("a Match block for another group denies public keys",
            f"printf 'Match Group games\\n  PubkeyAuthentication no\\n' >>/etc/ssh/sshd_config; {RESTART}"),
    # Not broken for everybody: without the one address nobody can tell.
    healthy("a Match for the client's address denies the user, and nobody says where from", match("Address 203.0.113.7", "DenyUsers ec2-user"),
            login=DENIED, told_source=None, connectable="unknown"),
    healthy("a Match for one address of the range denies the user", match("Address 203.0.113.7", "DenyUsers ec2-user"),
            login=DENIED, told_source="203.0.113.0/28", connectable="unknown"),
    healthy("a Match for one address of the range lists others, and the client has another", match("Address 203.0.113.9", "AllowUsers admin"),
            told_source="203.0.113.0/28", connectable="unknown"),
    healthy("a Match for one address of the range has groups that the user is not in", match("Address 203.0.113.7", "AllowGroups games"),
            login=DENIED, told_source="203.0.113.0/28", connectable="unknown"),
    healthy("a Match for the client's address keeps root out, and nobody says where from", match("Address 203.0.113.7", "PermitRootLogin no"),
            os_user="root", login=DENIED, told_source=None, connectable="unknown"),
    healthy("a Match for one address of the range keeps root out", match("Address 203.0.113.7", "PermitRootLogin no"),
            os_user="root", login=DENIED, told_source="203.0.113.0/28", connectable="unknown"),
    healthy("a Match for addresses outside of the range denies the user", match("Address 192.168.0.0/16", "DenyUsers ec2-user"),
            told_source="203.0.113.0/28"),
    healthy("sshd listens on another port, which is dialled", "", spec={"ssh_port": 2222}, port=2222),
    healthy("sshd listens on two ports, and one of them is dialled", conf("Port 22\\nPort 2222"), port=2222),
    healthy("the instance's own address is the only ListenAddress", conf("ListenAddress 10.0.1.5")),
    healthy("sshd listens on IPv4 alone, which is dialled", conf("AddressFamily inet")),
    healthy("a route prohibits another net", "ip route add prohibit 198.51.100.0/24"),
    healthy("a rule prohibits all that another user sends", "ip rule add uidrange 5-5 prohibit"),
    healthy("an empty file lies beside the scripts", ": >/usr/share/ec2-instance-connect/eic_notes"),
    healthy("sshd was stopped by a signal and goes on", "systemctl kill --kill-whom=main -s STOP ssh; systemctl kill --kill-whom=main -s CONT ssh"),
    healthy("the login shell is a script", "printf '#!/bin/bash\\nexec /bin/bash \"$@\"\\n' >/usr/local/bin/mysh; chmod 0755 /usr/local/bin/mysh; "
            "usermod -s /usr/local/bin/mysh ec2-user"),
    healthy("tokens are optional", "", spec={"http_tokens": "optional"}),
    healthy("the hop limit is 1", "", spec={"hop_limit": 1}),
    healthy("an old package where tokens are optional", "", spec={"package_version": "1.1.11", "http_tokens": "optional"}),
    healthy("an RSA key", "", key="rsa"),
    healthy("IMDS is 30 s behind", "", imds={"clock_offset": -30}),
    healthy("IMDS is 30 s ahead", "", imds={"clock_offset": 30}),
    healthy("IMDS is two minutes ahead", "", imds={"clock_offset": 120}),
    healthy("the password is locked, and PAM on", "usermod -L ec2-user"),
    healthy("the account has no password", "usermod -p '*' ec2-user"),
    healthy("the home directory is anybody's", "chmod 0777 /home/ec2-user"),
    healthy("the home directory is not there", "rm -rf /home/ec2-user"),
    healthy("the home directory belongs to root", "chown root:root /home/ec2-user; chmod 0700 /home/ec2-user"),
    healthy("AuthorizedKeysFile none", conf("AuthorizedKeysFile none")),
    healthy("PasswordAuthentication no", conf("PasswordAuthentication no\\nKbdInteractiveAuthentication no")),
    healthy("the keys user's account expired", "chage -E 2020-01-01 ec2-instance-connect"),
    healthy("the keys user's account is locked", "usermod -L -e 1 ec2-instance-connect"),
    healthy("the keys user has a shell", "usermod -s /bin/bash ec2-instance-connect"),
    healthy("/dev/shm is noexec", "mount -o remount,noexec,nosuid,nodev /dev/shm"),
    healthy("the keys command is run as nobody", f"{BARE}; " + conf(KEYS.replace("User ec2-instance-connect", "User nobody"))),
    healthy("the keys command gets no arguments", f"{BARE}; " + conf(KEYS.replace(" %%u %%f", ""))),
    healthy("the keys command gets the user alone", f"{BARE}; " + conf(KEYS.replace(" %%u %%f", " %%u"))),
    healthy("http_proxy in sshd's environment and in /etc/environment",
            "printf 'http_proxy=http://192.0.2.1:3128\\nHTTPS_PROXY=http://192.0.2.1:3128\\n' >>/etc/environment; "
            "mkdir -p /etc/systemd/system/ssh.service.d; "
            "printf '[Service]\\nEnvironment=http_proxy=http://192.0.2.1:3128\\n' >/etc/systemd/system/ssh.service.d/proxy.conf; "
            f"systemctl daemon-reload; {RESTART}"),
    healthy("the scripts are writable by root's own group", f"chmod 0775 {SCRIPTS} {RUN}"),
    healthy("/usr and / are writable by root's own group", "chmod 0775 /usr /"),
    healthy("MaxAuthTries 1, and one key", conf("MaxAuthTries 1")),
    healthy("AllowUsers names the user", conf("AllowUsers admin ec2-user")),
    healthy("AllowUsers names the user and where from", conf("AllowUsers ec2-user@203.0.113.0/24")),
    healthy("AllowUsers has a pattern of the user", conf("AllowUsers ec2-*")),
    healthy("AllowGroups names the user's group", conf("AllowGroups ec2-user wheel")),
    healthy("DenyUsers names others", conf("DenyUsers root ubuntu")),
    healthy("DenyUsers names the user from elsewhere", conf("DenyUsers ec2-user@192.168.0.0/16")),
    healthy("DenyGroups names a group of others", conf("DenyGroups games")),
    healthy("root may not log in, and does not", conf("PermitRootLogin no")),
    healthy("root logs in by key only", "", os_user="root"),
    healthy("AuthenticationMethods publickey", conf("AuthenticationMethods publickey")),
    healthy("AuthenticationMethods publickey, or more", conf("AuthenticationMethods keyboard-interactive publickey")),
    healthy("AuthenticationMethods any", conf("AuthenticationMethods any")),
    healthy("a RequiredRSASize that an Ed25519 key does not meet", conf("RequiredRSASize 4096")),
    healthy("PubkeyAcceptedAlgorithms has Ed25519 and no RSA", conf("PubkeyAcceptedAlgorithms ssh-ed25519")),
    healthy("PubkeyAcceptedAlgorithms takes RSA away", conf("PubkeyAcceptedAlgorithms -ssh-rsa*,rsa-*")),
    healthy("RevokedKeys is a file without keys", f": >/etc/ssh/revoked; {conf('RevokedKeys /etc/ssh/revoked')}"),
    healthy("RevokedKeys revokes another key",
            f"ssh-keygen -q -t ed25519 -N '' -f /root/other; cp /root/other.pub /etc/ssh/revoked; {conf('RevokedKeys /etc/ssh/revoked')}"),
    healthy("TrustedUserCAKeys and AuthorizedPrincipalsFile",
            "ssh-keygen -q -t ed25519 -N '' -f /root/ca; cp /root/ca.pub /etc/ssh/ca.pub; "
            + conf("TrustedUserCAKeys /etc/ssh/ca.pub\\nAuthorizedPrincipalsFile /etc/ssh/principals")),
    healthy("MaxStartups 1:100:1 and an idle sshd", conf("MaxStartups 2:30:3")),
    healthy("LoginGraceTime 20", conf("LoginGraceTime 20")),
    healthy("a ForceCommand for another user",
            f"printf 'Match User git\\n  ForceCommand /bin/false\\n' >>/etc/ssh/sshd_config; {RESTART}"),
    healthy("a chroot for another group",
            f"printf 'Match Group sftp\\n  ChrootDirectory /srv\\n  ForceCommand internal-sftp\\n' >>/etc/ssh/sshd_config; "
            f"groupadd sftp; {RESTART}"),
    healthy("a banner", f"echo Welcome >/etc/issue.net; {conf('Banner /etc/issue.net')}"),
    healthy("UsePAM no, and the password not locked", f"usermod -p '*' ec2-user; {conf('UsePAM no')}"),
    healthy("pam_access admits the user",
            "echo 'account required pam_access.so' >>/etc/pam.d/sshd; "
            "printf '+:ec2-user:ALL\\n-:ALL:ALL\\n' >>/etc/security/access.conf"),
    healthy("pam_access admits the client's network",
            "echo 'account required pam_access.so' >>/etc/pam.d/sshd; "
            "printf '+:ec2-user:203.0.113.0/24\\n-:ALL:ALL\\n' >>/etc/security/access.conf"),
    healthy("pam_access denies another user",
            "echo 'account required pam_access.so' >>/etc/pam.d/sshd; echo '-:git:ALL' >>/etc/security/access.conf"),
    healthy("access.conf denies, and no service asks pam_access", "echo '-:ALL:ALL' >>/etc/security/access.conf"),
    healthy("pam_listfile lists another user",
            "echo git >/etc/ssh/denied; "
            "sed -i '1i account required pam_listfile.so item=user sense=deny file=/etc/ssh/denied onerr=succeed' /etc/pam.d/sshd"),
    healthy("limits.conf has limits that the user does not meet", "echo '* hard maxlogins 50' >>/etc/security/limits.conf"),
    healthy("limits.conf leaves the user a few processes and files",
            "printf 'ec2-user hard nproc 20\\nec2-user hard nofile 64\\nec2-user hard core 0\\n' >>/etc/security/limits.conf"),
    healthy("an optional PAM module is missing", "echo 'session optional pam_nosuch.so' >>/etc/pam.d/sshd"),
    healthy("pam_faillock guards passwords", "sed -i '1i auth required pam_faillock.so preauth' /etc/pam.d/sshd"),
    healthy("another user's shell is nologin", "useradd -m -s /usr/sbin/nologin git"),
    healthy("another user's account expired", "useradd -m -e 2020-01-01 git"),
    healthy("the account expires next century", "chage -E 2120-01-01 ec2-user"),
    healthy("a new password is due in a month", "chage -M 60 -d $(date -d '-30 days' +%F) ec2-user"),
    healthy("/etc/nologin stands, and root logs in", "echo no >/etc/nologin", os_user="root"),
    healthy("the shell is not in /etc/shells", "sed -i /bash/d /etc/shells"),
    healthy("nft lets the client in and drops the rest",
            "nft add table inet f; nft add chain inet f in '{ type filter hook input priority 0; policy drop; }'; "
            "nft add rule inet f in ct state established,related accept; nft add rule inet f in iif lo accept; "
            "nft add rule inet f in ip saddr 203.0.113.0/24 tcp dport 22 accept"),
    healthy("nft drops another source",
            "nft add table inet f; nft add chain inet f in '{ type filter hook input priority 0; }'; "
            "nft add rule inet f in ip saddr 192.0.2.0/24 drop"),
    healthy("nft drops another port",
            "nft add table inet f; nft add chain inet f in '{ type filter hook input priority 0; }'; "
            "nft add rule inet f in tcp dport { 23, 80, 2222 } drop"),
    healthy("iptables lets port 22 in and drops the rest",
            "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT; "
            "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -P INPUT DROP"),
    healthy("a firewall with the browser's range admitted",
            "nft add table inet f; nft add chain inet f in '{ type filter hook input priority 0; policy drop; }'; "
            "nft add rule inet f in ct state established,related accept; nft add rule inet f in iif lo accept; "
            "nft add rule inet f in ip saddr 18.202.216.48/29 tcp dport 22 accept", via="browser", source="18.202.216.50"),
    healthy("hosts.deny denies all, and hosts.allow the client's network",
            "echo 'ALL: ALL' >>/etc/hosts.deny; echo 'sshd: 203.0.113.' >>/etc/hosts.allow"),
    healthy("hosts.deny denies another service", "echo 'vsftpd: ALL' >>/etc/hosts.deny"),
    healthy("ssh.socket starts ssh.service, with the drop-in",
            "systemctl stop ssh; systemctl start ssh.socket"),
    healthy("a unit that was changed and reloaded, and says the same",
            "mkdir -p /etc/systemd/system/ssh.service.d; "
            "printf '[Service]\\nNice=-1\\n' >/etc/systemd/system/ssh.service.d/override.conf; systemctl daemon-reload"),
    healthy("a unit that was changed in another setting and not reloaded",
            "mkdir -p /etc/systemd/system/ssh.service.d; "
            "printf '[Service]\\nNice=-1\\n' >/etc/systemd/system/ssh.service.d/override.conf"),
    # What the file said when sshd read it nobody knows any more.
    healthy("sshd_config was edited with no effect and sshd not restarted", "echo '# a remark' >>/etc/ssh/sshd_config",
            connectable="unknown"),
    healthy("old log lines of failures",
            "logger -t 'sshd[77]' -p authpriv.info 'AuthorizedKeysCommand /usr/share/ec2-instance-connect/eic_run_authorized_keys "
            "ec2-user SHA256:x failed, status 22'; logger -t 'sshd[78]' -p authpriv.info 'Invalid user admin from 198.51.100.9 port 5'"),
    healthy("nothing was pushed", "", pushed_for=None, login=DENIED),
    healthy("the key was pushed for another user", "", pushed_for="root", login=DENIED),
    healthy("an ecdsa key, which cannot be pushed", "", key="ecdsa", login=DENIED),
    healthy("IPv6 to an sshd that listens on all addresses", "", spec={"ipv6": "2001:db8:a::5"}, address="2001:db8:a::5",
            source="2001:db8:c::7"),
    healthy("AppArmor's and SELinux's tools are absent, as here", "rm -f /usr/sbin/getenforce"),
    healthy("the root file system is full",
            "mount -t tmpfs -o size=64k tmpfs /opt; dd if=/dev/zero of=/opt/full bs=4k 2>/dev/null || :"),
    healthy("/tmp is not to be written", "mount -t tmpfs -o ro tmpfs /tmp"),
    healthy("/var/log is full", "mount -t tmpfs -o size=16k tmpfs /var/log; dd if=/dev/zero of=/var/log/full bs=4k 2>/dev/null || :"),
    healthy("the CA bundle is gone, and the folder of hashes is there", "rm -f /etc/ssl/certs/ca-certificates.crt"),
    healthy("MOTD scripts end badly", "printf '#!/bin/sh\\nexit 1\\n' >/etc/update-motd.d/99-bad; chmod +x /etc/update-motd.d/99-bad"),
    healthy("a hostile name in /etc/hostname and os-release", "echo 'a$(reboot)' >/etc/hostname; echo 'PRETTY_NAME=\\\"$(reboot)\\\"' >>/etc/os-release"),
]  # fmt: skip
