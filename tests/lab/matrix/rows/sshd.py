"""sshd: whether it runs, where it listens, how it is wired, and what it accepts."""

from matrix.row import CLOSED, DENIED, UNREACHED, fault

RESTART = "systemctl restart ssh"
CONF = "/etc/ssh/sshd_config.d/a.conf"
RUN = "/usr/share/ec2-instance-connect/eic_run_authorized_keys"
DROP_IN = "/lib/systemd/system/ssh.service.d/ec2-instance-connect.conf"
BARE = f"rm {DROP_IN}; systemctl daemon-reload"
OVERRIDE = "/etc/systemd/system/ssh.service.d/override.conf"
WIRED = "os.sshd.authorized-keys-command"
# A program of another tool; it knows no keys.
OTHER = "printf '#!/bin/sh\\n' >/usr/local/bin/iam-keys; chmod 0755 /usr/local/bin/iam-keys"


def conf(line: str) -> str:
    return f"printf '{line}\\n' >{CONF}; {RESTART}"


def match(criteria: str, line: str) -> str:
    return f"printf 'Match {criteria}\\n  {line}\\n' >>/etc/ssh/sshd_config; {RESTART}"


def by_option(option: str) -> str:
    return f"echo 'SSHD_OPTS=-o{option}' >/etc/default/ssh; {RESTART}"


def override(section: str) -> str:
    return f"mkdir -p {OVERRIDE.rpartition('/')[0]}; printf '[Service]\\n{section}\\n' >{OVERRIDE}; systemctl daemon-reload"


ROWS = [
    # Whether it runs.
    fault("sshd is stopped", UNREACHED, "os.sshd.running", "systemctl stop ssh"),
    fault("sshd is stopped and masked", UNREACHED, "os.sshd.running", "systemctl stop ssh; systemctl mask ssh"),
    fault("sshd is stopped and disabled", UNREACHED, "os.sshd.running", "systemctl disable --now ssh"),
    fault("sshd was killed and its restart limit is reached", UNREACHED, "os.sshd.running",
          override("Restart=no") + "; " + RESTART + "; systemctl kill -s KILL ssh; "
          "while systemctl is-active --quiet ssh; do :; done"),
    fault("sshd is stopped in its tracks", UNREACHED, "os.sshd.running", "systemctl kill --kill-whom=main -s STOP ssh"),
    fault("sshd was frozen", UNREACHED, "os.sshd.running", "systemctl freeze ssh"),
    fault("sshd could not start: a keyword it does not know", UNREACHED, "os.sshd.configuration",
          f"echo 'PermitRootLogins no' >{CONF}; {RESTART} || :"),
    fault("sshd could not start: a keys command without a user", UNREACHED, "os.sshd.configuration",
          f"{BARE}; echo 'AuthorizedKeysCommand {RUN} %u %f' >{CONF}; {RESTART} || :"),
    fault("sshd could not start: a keys command without an absolute path", UNREACHED, "os.sshd.configuration",
          f"echo 'AuthorizedKeysCommand eic_run_authorized_keys' >{CONF}; {RESTART} || :"),
    fault("sshd could not start: a value that is none", UNREACHED, "os.sshd.configuration",
          f"echo 'PubkeyAuthentication maybe' >{CONF}; {RESTART} || :"),
    fault("sshd could not start: an unknown Match criterion", UNREACHED, "os.sshd.configuration",
          f"printf 'Match Users ec2-user\\n  X11Forwarding no\\n' >>/etc/ssh/sshd_config; {RESTART} || :"),
    fault("sshd could not start: no host keys", UNREACHED, "os.sshd.configuration", f"rm /etc/ssh/ssh_host_*; {RESTART} || :"),
    fault("sshd could not start: host keys that anybody may read", UNREACHED, "os.sshd.configuration",
          f"chmod 0644 /etc/ssh/ssh_host_*_key; {RESTART} || :"),
    fault("sshd could not start: the configuration is gone", UNREACHED, "os.sshd.configuration",
          f"rm /etc/ssh/sshd_config; {RESTART} || :"),
    fault("sshd could not start: the program is gone", UNREACHED, "os.sshd.running", f"rm /usr/sbin/sshd; {RESTART} || :"),
    fault("sshd could not start: the user sshd is gone", UNREACHED, "os.sshd.configuration", f"userdel sshd; {RESTART} || :"),
    fault("sshd's folder is gone while it runs", UNREACHED, "os.sshd.configuration", "rmdir /run/sshd"),
    fault("the host keys are gone while sshd runs", UNREACHED, "os.sshd.configuration", "rm /etc/ssh/ssh_host_*"),
    fault("another program has port 22", UNREACHED, "os.sshd.running",
          "systemctl stop ssh; systemd-run --quiet --collect busybox nc -ll -p 22 -e sleep 60; "
          "while ! ss -ltn | grep -q ':22 '; do :; done"),
    # Where it listens.
    fault("sshd listens on another port", UNREACHED, "os.sshd.port", conf("Port 2222")),
    fault("sshd listens on another port, written with an equals sign", UNREACHED, "os.sshd.port", conf("Port=2222")),
    fault("sshd listens on another port by its command line", UNREACHED, "os.sshd.port",
          f"echo 'SSHD_OPTS=\"-p 2022\"' >/etc/default/ssh; {RESTART}"),
    fault("another port is dialled than sshd listens on", UNREACHED, "os.sshd.port", "", port=2222),
    fault("Port was edited and sshd not restarted", UNREACHED, "os.sshd.port", f"echo 'Port 2222' >{CONF}", port=2222),
    fault("sshd listens on the loopback address alone", UNREACHED, "os.sshd.port", conf("ListenAddress 127.0.0.1")),
    fault("sshd listens on IPv6 alone, IPv4 is dialled", UNREACHED, "os.sshd.port", conf("AddressFamily inet6")),
    fault("sshd listens on IPv4 alone, IPv6 is dialled", UNREACHED, "os.sshd.port", conf("AddressFamily inet"),
          spec={"ipv6": "2001:db8:a::5"}, address="2001:db8:a::5", source="2001:db8:c::7"),
    fault("sshd listens on the instance's other address", UNREACHED, "os.sshd.port",
          f"ip addr add 10.0.1.77/24 dev eth0; {conf('ListenAddress 10.0.1.77')}"),
    fault("ssh.socket listens on another port", UNREACHED, "os.sshd.port",
          "systemctl stop ssh; mkdir -p /etc/systemd/system/ssh.socket.d; "
          "printf '[Socket]\\nListenStream=\\nListenStream=2222\\n' >/etc/systemd/system/ssh.socket.d/listen.conf; "
          "systemctl daemon-reload; systemctl start ssh.socket"),
    fault("ssh.socket listens for IPv6 alone, and IPv4 is dialled", UNREACHED, "os.sshd.port",
          "systemctl stop ssh; mkdir -p /etc/systemd/system/ssh.socket.d; "
          "printf '[Socket]\\nListenStream=\\nListenStream=[::]:22\\nBindIPv6Only=ipv6-only\\n' "
          ">/etc/systemd/system/ssh.socket.d/listen.conf; systemctl daemon-reload; systemctl start ssh.socket"),
    fault("ssh.socket was stopped and nothing took over", UNREACHED, "os.sshd.running",
          "systemctl stop ssh; systemctl disable ssh; systemctl enable --now ssh.socket; systemctl stop ssh.socket"),
    # How it is wired.
    fault("the package's drop-in is gone", DENIED, WIRED, f"{BARE}; {RESTART}"),
    fault("the package left sshd alone because of a line in sshd_config", DENIED, WIRED,
          f"{BARE}; echo 'AuthorizedKeysCommand none' >>/etc/ssh/sshd_config; {RESTART}"),
    fault("the package left sshd alone because of AuthorizedKeysCommandUser", DENIED, WIRED,
          f"{BARE}; echo 'AuthorizedKeysCommandUser nobody' >>/etc/ssh/sshd_config; {RESTART}"),
    fault("an override starts sshd its own way", DENIED, WIRED,
          override("ExecStart=\\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS") + f"; {RESTART}"),
    fault("an override that sorts first and lacks the package's", DENIED, WIRED,
          f"{BARE}; " + override("ExecStart=\\nExecStart=/usr/sbin/sshd -D") + f"; {RESTART}"),
    fault("the whole unit is replaced in /etc and by another start command", DENIED, WIRED,
          f"{BARE}; cp /lib/systemd/system/ssh.service /etc/systemd/system/ssh.service; systemctl daemon-reload; {RESTART}"),
    fault("a drop-in of the same name in /etc masks the package's", DENIED, WIRED,
          "mkdir -p /etc/systemd/system/ssh.service.d; ln -s /dev/null /etc/systemd/system/ssh.service.d/ec2-instance-connect.conf; "
          f"systemctl daemon-reload; {RESTART}"),
    fault("the drop-in is back, systemd was not reloaded", DENIED, WIRED,
          f"cp {DROP_IN} /root/keep; {BARE}; {RESTART}; cp /root/keep {DROP_IN}"),
    fault("the drop-in is back, sshd was not restarted", DENIED, WIRED,
          f"cp {DROP_IN} /root/keep; {BARE}; {RESTART}; cp /root/keep {DROP_IN}; systemctl daemon-reload"),
    fault("a Match block for the user has no keys command", DENIED, WIRED, match("User ec2-user", "AuthorizedKeysCommand none")),
    fault("a Match block for the user's group has no keys command", DENIED, WIRED,
          match("Group ec2-user", "AuthorizedKeysCommand none")),
    fault("a Match block for the client's network has no keys command", DENIED, WIRED,
          match("Address 203.0.113.0/24", "AuthorizedKeysCommand none")),
    fault("a Match block for the browser's range has no keys command", DENIED, WIRED,
          match("Address 18.202.216.48/29", "AuthorizedKeysCommand none"), via="browser", source="18.202.216.50"),
    fault("a Match block for all has no keys command", DENIED, WIRED, match("all", "AuthorizedKeysCommand none")),
    fault("a Match block for the instance's address has no keys command", DENIED, WIRED,
          match("LocalAddress 10.0.1.5", "AuthorizedKeysCommand none")),
    fault("a Match block for the port has no keys command", DENIED, WIRED, match("LocalPort 22", "AuthorizedKeysCommand none")),
    fault("a Match block for everybody but root has no keys command", DENIED, WIRED,
          match("User *,!root", "AuthorizedKeysCommand none")),
    fault("a Match block in an included file has no keys command", DENIED, WIRED,
          f"mkdir /etc/ssh/more; printf 'Match User ec2-user\\nAuthorizedKeysCommand none\\n' >/etc/ssh/more/b.conf; "
          f"sed -i '1i Include /etc/ssh/more/*.conf' /etc/ssh/sshd_config; {RESTART}"),
    fault("a Match block names another tool's keys command", DENIED, WIRED,
          f"{OTHER}; " + match("User ec2-user", "AuthorizedKeysCommand /usr/local/bin/iam-keys %%u")),
    fault("another tool's keys command", DENIED, WIRED,
          f"{OTHER}; {BARE}; " + conf("AuthorizedKeysCommand /usr/local/bin/iam-keys %%u\\nAuthorizedKeysCommandUser nobody")),
    fault("ssh.socket starts sshd for each connection, without the drop-in", DENIED, WIRED,
          "systemctl stop ssh; mkdir -p /etc/systemd/system/ssh.socket.d; "
          "printf '[Socket]\\nAccept=yes\\n' >/etc/systemd/system/ssh.socket.d/accept.conf; "
          "printf '[Service]\\nExecStart=-/usr/sbin/sshd -i $SSHD_OPTS\\nStandardInput=socket\\nRuntimeDirectory=sshd\\n' "
          ">/etc/systemd/system/ssh@.service; "
          "systemctl daemon-reload; systemctl start ssh.socket"),
    fault("the keys command gets its arguments the wrong way round", DENIED, WIRED,
          f"{BARE}; " + conf(f"AuthorizedKeysCommand {RUN} %%f %%u\\nAuthorizedKeysCommandUser ec2-instance-connect")),
    fault("the keys command gets the key in place of its fingerprint", DENIED, WIRED,
          f"{BARE}; " + conf(f"AuthorizedKeysCommand {RUN} %%u %%k\\nAuthorizedKeysCommandUser ec2-instance-connect")),
    fault("the keys command gets the user's number", DENIED, WIRED,
          f"{BARE}; " + conf(f"AuthorizedKeysCommand {RUN} %%U %%f\\nAuthorizedKeysCommandUser ec2-instance-connect")),
    fault("a Match block's keys command has no user", DENIED, "os.sshd.authorized-keys-command-user",
          f"{BARE}; " + match("User ec2-user", f"AuthorizedKeysCommand {RUN} %%u %%f")),
    fault("the keys command's user is not there", DENIED, "os.account.keys-user",
          f"{BARE}; " + conf(f"AuthorizedKeysCommand {RUN} %%u %%f\\nAuthorizedKeysCommandUser eic")),
    # What it accepts.
    fault("PubkeyAuthentication no", DENIED, "os.sshd.public-key-authentication", conf("PubkeyAuthentication no")),
    fault("PubkeyAuthentication no, quoted and with an equals sign", DENIED, "os.sshd.public-key-authentication",
          conf('pubkeyauthentication="no"')),
    fault("PubkeyAuthentication no in a file with Windows' line ends", DENIED, "os.sshd.public-key-authentication",
          conf("PubkeyAuthentication no\\r")),
    fault("PubkeyAuthentication no comes before yes", DENIED, "os.sshd.public-key-authentication",
          conf("PubkeyAuthentication no\\nPubkeyAuthentication yes")),
    fault("PubkeyAuthentication no by the command line", DENIED, "os.sshd.public-key-authentication",
          f"echo 'SSHD_OPTS=-oPubkeyAuthentication=no' >/etc/default/ssh; {RESTART}"),
    fault("PubkeyAuthentication no for this user", DENIED, "os.sshd.public-key-authentication",
          match("User ec2-user", "PubkeyAuthentication no")),
    fault("another configuration file by the command line", DENIED, "os.sshd.public-key-authentication",
          "cp /etc/ssh/sshd_config /etc/ssh/other; sed -i '1i PubkeyAuthentication no' /etc/ssh/other; "
          f"echo 'SSHD_OPTS=-f/etc/ssh/other' >/etc/default/ssh; {RESTART}"),
    fault("AuthenticationMethods on sshd's command line", DENIED, "os.sshd.authentication-methods",
          f"echo 'SSHD_OPTS=-oAuthenticationMethods=password' >/etc/default/ssh; {RESTART}"),
    fault("AuthenticationMethods password", DENIED, "os.sshd.authentication-methods", conf("AuthenticationMethods password")),
    fault("AuthenticationMethods wants a password too", DENIED, "os.sshd.authentication-methods",
          conf("AuthenticationMethods publickey,password")),
    fault("AuthenticationMethods wants two keys", DENIED, "os.sshd.authentication-methods",
          conf("AuthenticationMethods publickey,publickey")),
    fault("AuthenticationMethods wants a second factor from elsewhere", DENIED, "os.sshd.authentication-methods",
          match("Address *,!10.0.0.0/8", "AuthenticationMethods publickey,keyboard-interactive")),
    fault("PubkeyAcceptedAlgorithms has RSA alone", DENIED, "os.sshd.accepted-algorithms",
          conf("PubkeyAcceptedAlgorithms rsa-sha2-512,rsa-sha2-256")),
    fault("PubkeyAcceptedAlgorithms takes Ed25519 away", DENIED, "os.sshd.accepted-algorithms",
          conf("PubkeyAcceptedAlgorithms -ssh-ed25519*")),
    fault("PubkeyAcceptedKeyTypes, by its old name, has ecdsa alone", DENIED, "os.sshd.accepted-algorithms",
          conf("PubkeyAcceptedKeyTypes ecdsa-sha2-nistp256")),
    fault("PubkeyAcceptedAlgorithms for this user has RSA alone", DENIED, "os.sshd.accepted-algorithms",
          match("User ec2-user", "PubkeyAcceptedAlgorithms rsa-sha2-512")),
    fault("RevokedKeys names a file that is not there", DENIED, "os.sshd.revoked-keys", conf("RevokedKeys /etc/ssh/revoked")),
    fault("RevokedKeys names a file that is no list of keys", DENIED, "os.sshd.revoked-keys",
          f"echo nonsense >/etc/ssh/revoked; {conf('RevokedKeys /etc/ssh/revoked')}"),
    fault("RevokedKeys names a folder", DENIED, "os.sshd.revoked-keys",
          f"mkdir /etc/ssh/revoked; {conf('RevokedKeys /etc/ssh/revoked')}"),
    fault("MaxAuthTries 0", DENIED, "os.sshd.max-auth-tries", conf("MaxAuthTries 0")),
    fault("MaxAuthTries 0 by the command line", DENIED, "os.sshd.max-auth-tries", by_option("MaxAuthTries=0")),
    fault("PubkeyAcceptedAlgorithms by the command line has RSA alone", DENIED, "os.sshd.accepted-algorithms",
          by_option("PubkeyAcceptedAlgorithms=rsa-sha2-512")),
    fault("RevokedKeys by the command line names a file that is not there", DENIED, "os.sshd.revoked-keys",
          by_option("RevokedKeys=/etc/ssh/lists/revoked")),
    fault("RevokedKeys by the command line names a file that is no list of keys", DENIED, "os.sshd.revoked-keys",
          f"echo nonsense >/etc/ssh/revoked; {by_option('RevokedKeys=/etc/ssh/revoked')}"),
    fault("MaxStartups is used up by a silent client", UNREACHED, "os.sshd.connection-limits",
          conf("MaxStartups 1:100:1") + "; systemd-run --quiet --collect bash -c 'exec 3<>/dev/tcp/127.0.0.1/22; sleep 100'; "
          "while ! ss -tn state established | grep -q '127.0.0.1:22 '; do :; done"),
    fault("LoginGraceTime is over before the keys are looked up", DENIED, "os.sshd.connection-limits",
          conf("LoginGraceTime 1"), imds={"delay_ms": 200}),
    # What becomes of the session.
    fault("ForceCommand /bin/false", CLOSED, "os.sshd.session", conf("ForceCommand /bin/false")),
    fault("ForceCommand /usr/sbin/nologin for this user", CLOSED, "os.sshd.session",
          match("User ec2-user", "ForceCommand /usr/sbin/nologin")),
    fault("ForceCommand names a program that is not there", CLOSED, "os.sshd.session",
          conf("ForceCommand /usr/local/bin/wrapper")),
    fault("ForceCommand by the command line", CLOSED, "os.sshd.session", by_option("ForceCommand=/bin/false")),
    fault("ChrootDirectory by the command line is not there", CLOSED, "os.sshd.session", by_option("ChrootDirectory=/srv/nowhere")),
    fault("ForceCommand internal-sftp", CLOSED, "os.sshd.session", conf("ForceCommand internal-sftp")),
    fault("ChrootDirectory has no shell", CLOSED, "os.sshd.session", f"mkdir -p /srv/jail; {conf('ChrootDirectory /srv/jail')}"),
    fault("ChrootDirectory belongs to the user", CLOSED, "os.sshd.session", conf("ChrootDirectory %%h")),
    fault("ChrootDirectory is not there", CLOSED, "os.sshd.session", conf("ChrootDirectory /srv/nowhere")),
]  # fmt: skip
