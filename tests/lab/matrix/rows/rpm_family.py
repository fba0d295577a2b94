"""The rpm family in depth: its database, what its package's scripts rest on, each way of telling sshd, and its PAM stack.

Left out: what a group may write. sshd in the lab is Debian's, which takes such files as long as the group is root's own; upstream's,
which these systems have, does not, so a login here would say nothing about a login there.
"""

import dataclasses
from typing import Any

from matrix.row import CLOSED, DENIED, UNREACHED, Login, Row, fault, healthy, pair

INSTALLED, VERSION, FILES = "os.package.installed", "os.package.version", "os.package.keys-command-files"
WIRED, TOOLS, AUTHORITY = "os.sshd.authorized-keys-command", "os.host.tools", "os.trust.certificate-authority"
BIN = "/opt/aws/bin"
RUN = f"{BIN}/eic_run_authorized_keys"
CONFIG = "/etc/ssh/sshd_config"
RESTART = "systemctl restart sshd"
DROP_IN = "/lib/systemd/system/sshd.service.d/ec2-instance-connect.conf"
OVERRIDE = "/etc/systemd/system/sshd.service.d"
BUNDLE = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
LINES = f"AuthorizedKeysCommand {RUN} %%u %%f\\nAuthorizedKeysCommandUser ec2-instance-connect\\n"
# Another release of one package, as a mirror that lags behind leaves it.
OLD_SELINUX = """
cd /root
cat >old.spec <<'SPEC'
Name: ec2-instance-connect-selinux
Version: 1.1
Release: 14.amzn2
Summary: SELinux policy
License: Apache-2.0
BuildArch: noarch
%description
SELinux policy
%files
SPEC
rpmbuild --quiet -bb --define '_rpmdir /root' --define '_rpmfilename old.rpm' --define '_build_name_fmt old.rpm' old.spec
rpm -U --oldpackage old.rpm
"""
# What the port for Fedora brings: one program, of another name, in a package of another name.
PORT = f"""
cp {RUN} /usr/bin/eic-run
rpm -e ec2-instance-connect ec2-instance-connect-selinux
useradd -r -M -s /sbin/nologin eic
printf 'AuthorizedKeysCommand /usr/bin/eic-run %%u %%f\\nAuthorizedKeysCommandUser eic\\n' >/etc/ssh/sshd_config.d/60-eic.conf
{RESTART}
"""
# The kind that Amazon Linux 2 and RHEL 8 have; Debian's rpm reads it and does not write it.
OLDER_DATABASE = (
    "rm /var/lib/rpm/*; cp /opt/lab-archive/berkeley/* /var/lib/rpm; echo '%_db_backend bdb_ro' >>/etc/rpm/macros; "
    "rpm -q ec2-instance-connect"
)
# No Ed25519, as FIPS mode's policy has it.
FIPS_POLICY = (
    "sed -i 's/ssh-ed25519,//; s/ssh-ed25519-cert-v01@openssh.com,//' /etc/crypto-policies/back-ends/opensshserver.config; "
    f"! grep -q 'PubkeyAccepted.*25519' /etc/crypto-policies/back-ends/opensshserver.config; {RESTART}"
)


NAMES = {
    "al2": "Amazon Linux 2", "al2023": "Amazon Linux 2023", "rhel8": "RHEL 8", "rhel9": "RHEL 9",
    "fedora41": "Fedora",
}  # fmt: skip


def on(platform: str, row: Row) -> Row:
    return dataclasses.replace(row, name=f"{NAMES[platform]}: {row.name}", platform=platform)


def broken(platform: str, name: str, login: Login, cause: str, script: str, **more: Any) -> Row:
    return on(platform, fault(name, login, cause, script, **more))


def well(platform: str, name: str, script: str, **more: Any) -> Row:
    return on(platform, healthy(name, script, **more))


def both(platform: str, name: str, login: Login, causes: tuple[str, str], script: str, **more: Any) -> Row:
    return on(platform, pair(name, login, causes, script, **more))


ROWS = [
    # A system that AWS does not list.
    well("fedora41", "a port of another name stands in for the package", PORT, warns=("os.host.supported", INSTALLED)),
    # The package, and the database that knows it.
    broken("al2", "the package was removed", DENIED, INSTALLED, "rpm -e ec2-instance-connect"),
    broken("rhel9", "the package was never installed", DENIED, INSTALLED, "", spec={"package_version": None}),
    broken("rhel8", "the package was removed", DENIED, INSTALLED, "rpm -e ec2-instance-connect ec2-instance-connect-selinux"),
    broken("fedora41", "the package was never installed", DENIED, INSTALLED, "", spec={"package_version": None}),
    broken("al2", "the package was removed, and its lines of sshd_config stayed", DENIED, INSTALLED,
           f"cp {CONFIG} /root; rpm -e ec2-instance-connect; cp /root/sshd_config {CONFIG}; {RESTART}"),
    well("al2", "the two packages are of different releases", OLD_SELINUX, warns=(VERSION,)),
    well("al2023", "the files are there and the database has forgotten them", "rpm -e --justdb --noscripts ec2-instance-connect",
         warns=(INSTALLED,)),
    well("al2", "the database is Berkeley DB's", OLDER_DATABASE, warns=()),
    well("al2", "an older database's index is gone", f"{OLDER_DATABASE}; rm /var/lib/rpm/Name", connectable="unknown"),
    well("al2023", "there is no rpm to read the database with", "rm /usr/bin/rpm", connectable="unknown"),
    well("al2023", "the database cannot be read", "for part in '' -wal -shm; do head -c 9000 /dev/urandom >/var/lib/rpm/rpmdb.sqlite$part; done",
         connectable="unknown"),
    well("al2023", "the database is gone", "rm -r /var/lib/rpm", connectable="unknown"),
    well("al2023", "rpm waits for something", "printf '#!/bin/sh\\nexec sleep 60\\n' >/usr/bin/rpm", connectable="unknown"),
    # Its files.
    broken("rhel9", "the one program is gone", DENIED, FILES, f"rm {RUN}"),
    broken("rhel8", "the one program is not executable", DENIED, FILES, f"chmod 0644 {RUN}"),
    broken("rhel9", "the one program may be run by root only", DENIED, FILES, f"chmod 0700 {RUN}"),
    broken("al2023", "the third script is not executable", DENIED, FILES, f"chmod 0644 {BIN}/eic_parse_authorized_keys"),
    broken("al2", "the second script is executable and not readable", DENIED, FILES, f"chmod 0711 {BIN}/eic_curl_authorized_keys"),
    broken("al2023", "/opt is root's alone", DENIED, FILES, "chmod 0700 /opt"),
    broken("rhel9", "/opt/aws is root's alone", DENIED, FILES, "chmod 0750 /opt/aws"),
    broken("al2023", "/opt/aws/bin is world-writable", DENIED, FILES, f"chmod 0777 {BIN}"),
    broken("rhel8", "/opt/aws belongs to another user", DENIED, FILES, "chown ec2-user /opt/aws"),
    broken("al2023", "/opt is mounted noexec", DENIED, FILES, "mount --bind /opt /opt; mount -o remount,bind,noexec /opt"),
    broken("rhel9", "/opt is mounted noexec", DENIED, FILES, "mount --bind /opt /opt; mount -o remount,bind,noexec /opt"),
    broken("al2", "the second script's interpreter is not there", DENIED, FILES,
           f"sed -i '1s,.*,#!/usr/bin/ksh,' {BIN}/eic_curl_authorized_keys"),
    well("al2023", "/opt/aws is a link to another file system", "mkdir /srv/aws; cp -a /opt/aws/bin /srv/aws; rm -r /opt/aws; ln -s /srv/aws /opt/aws",
         warns=()),
    # How sshd is told: Amazon Linux's two lines.
    broken("al2", "the two lines became comments", DENIED, WIRED, f"sed -i 's/^AuthorizedKeysCommand/#&/' {CONFIG}; {RESTART}"),
    broken("al2", "an earlier line is the first", DENIED, WIRED, f"sed -i '1i AuthorizedKeysCommand none' {CONFIG}; {RESTART}"),
    broken("al2023", "an included file comes first", DENIED, WIRED,
           f"printf '#!/bin/sh\\n' >/usr/bin/sss_ssh_authorizedkeys; chmod 0755 /usr/bin/sss_ssh_authorizedkeys; "
           f"printf 'AuthorizedKeysCommand /usr/bin/sss_ssh_authorizedkeys %%u\\nAuthorizedKeysCommandUser nobody\\n' "
           f">/etc/ssh/sshd_config.d/04-ipa.conf; {RESTART}"),
    broken("al2", "the two lines stand in another user's Match block", DENIED, WIRED,
           f"sed -i 's/^AuthorizedKeysCommand /Match User git\\n&/' {CONFIG}; {RESTART}"),
    broken("al2023", "the package left sshd alone because of a line in sshd_config", DENIED, WIRED,
           f"rpm -e ec2-instance-connect; printf 'Match User git\\n  AuthorizedKeysCommand none\\n' >>{CONFIG}; "
           f"dnf install -y ec2-instance-connect; {RESTART}"),
    broken("al2", "the line that names the user is gone, and sshd could not start", UNREACHED, "os.sshd.configuration",
           f"sed -i /AuthorizedKeysCommandUser/d {CONFIG}; {RESTART} || :"),
    well("al2023", "the lines stand in sshd_config.d instead", f"sed -i /AuthorizedKeysCommand/d {CONFIG}; "
         f"printf '{LINES}' >/etc/ssh/sshd_config.d/10-eic.conf; {RESTART}", warns=()),
    well("al2", "another user's Match block has another keys command",
         f"printf 'Match User git\\n  AuthorizedKeysCommand none\\n' >>{CONFIG}; {RESTART}", warns=()),
    # RHEL 9's file.
    broken("rhel9", "the package's file has another ending", DENIED, WIRED,
           f"cd /etc/ssh/sshd_config.d; mv 60-ec2-instance-connect.conf 60-ec2-instance-connect.conf.rpmsave; {RESTART}"),
    well("rhel9", "a file that comes later names another keys command",
         f"printf 'AuthorizedKeysCommand none\\n' >/etc/ssh/sshd_config.d/99-site.conf; {RESTART}", warns=()),
    # RHEL 8's drop-in.
    broken("rhel8", "a drop-in of the same name in /etc masks the package's", DENIED, WIRED,
           f"mkdir -p {OVERRIDE}; ln -s /dev/null {OVERRIDE}/ec2-instance-connect.conf; systemctl daemon-reload; {RESTART}"),
    broken("rhel8", "the drop-in was written and sshd was not restarted", DENIED, WIRED,
           f"cp {DROP_IN} /root/keep; rm {DROP_IN}; systemctl daemon-reload; {RESTART}; cp /root/keep {DROP_IN}; systemctl daemon-reload"),
    broken("rhel8", "sshd.socket starts an sshd for each connection, without the drop-in", DENIED, WIRED,
           "systemctl stop sshd; systemctl start sshd.socket"),
    well("rhel8", "the unit was copied to /etc, and the drop-in still counts",
         f"cp /lib/systemd/system/sshd.service /etc/systemd/system/; systemctl daemon-reload; {RESTART}", warns=()),
    well("rhel8", "the options of /etc/sysconfig/sshd, which the package's command line drops",
         f"echo 'OPTIONS=\"-p 2222\"' >/etc/sysconfig/sshd; {RESTART}", warns=()),
    well("rhel8", "a crypto policy without Ed25519, which the package's command line drops", FIPS_POLICY),
    well("al2023", "sshd.socket starts an sshd for each connection", "systemctl stop sshd; systemctl start sshd.socket", warns=()),
    well("al2", "a harmless override", f"mkdir -p {OVERRIDE}; printf '[Service]\\nNice=-1\\n' >{OVERRIDE}/override.conf; "
         f"systemctl daemon-reload; {RESTART}", warns=()),
    # sshd itself.
    broken("al2023", "sshd is stopped", UNREACHED, "os.sshd.running", "systemctl stop sshd"),
    broken("rhel9", "sshd is stopped and disabled", UNREACHED, "os.sshd.running", "systemctl disable --now sshd"),
    broken("al2023", "another port by /etc/sysconfig/sshd", UNREACHED, "os.sshd.port",
           f"echo 'OPTIONS=\"-p 2222\"' >/etc/sysconfig/sshd; {RESTART}"),
    broken("rhel9", "another port by a file of sshd_config.d", UNREACHED, "os.sshd.port",
           f"echo 'Port 2222' >/etc/ssh/sshd_config.d/10-port.conf; {RESTART}"),
    broken("al2", "no public keys by /etc/sysconfig/sshd", DENIED, "os.sshd.public-key-authentication",
           f"echo 'OPTIONS=-oPubkeyAuthentication=no' >/etc/sysconfig/sshd; {RESTART}"),
    broken("rhel9", "a crypto policy without Ed25519", DENIED, "os.sshd.accepted-algorithms", FIPS_POLICY),
    well("rhel9", "an RSA key", "", key="rsa", warns=()),
    # Tools at the paths that this package names, and the one file of trust anchors.
    broken("al2023", "curl is elsewhere in PATH", DENIED, TOOLS, "mv /usr/bin/curl /usr/local/bin"),
    broken("al2", "openssl is elsewhere in PATH", DENIED, TOOLS, "mv /usr/bin/openssl /usr/local/bin"),
    broken("al2023", "timeout is elsewhere in PATH", DENIED, TOOLS, "mv /usr/bin/timeout /usr/local/bin"),
    broken("al2023", "base64 is gone", DENIED, TOOLS, "rm /usr/bin/base64"),
    broken("al2", "sed may be run by root only", DENIED, TOOLS, "chmod 0700 /bin/sed"),
    well("al2023", "PATH's first curl is broken", "printf '#!/bin/sh\\nexit 1\\n' >/usr/local/bin/curl; chmod 0755 /usr/local/bin/curl",
         warns=()),
    well("al2", "PATH's first awk and sed are broken",
         "for tool in awk sed; do printf '#!/bin/sh\\nexit 1\\n' >/usr/local/bin/$tool; chmod 0755 /usr/local/bin/$tool; done", warns=()),
    broken("al2023", "the bundle of trust anchors is gone", DENIED, AUTHORITY, f"rm {BUNDLE}"),
    broken("al2", "the bundle's name in /etc/ssl/certs is gone", DENIED, AUTHORITY, "rm /etc/ssl/certs/ca-bundle.crt"),
    broken("al2", "/etc/ssl/certs is gone", DENIED, AUTHORITY, "rm /etc/ssl/certs"),
    broken("al2023", "the bundle is empty", DENIED, AUTHORITY, f": >{BUNDLE}"),
    broken("al2023", "the bundle may be read by root only", DENIED, AUTHORITY, f"chmod 0600 {BUNDLE}"),
    broken("al2", "the bundle's folder is root's alone", DENIED, AUTHORITY, "chmod 0700 /etc/pki/ca-trust/extracted"),
    broken("al2023", "the bundle has one certificate of another authority", DENIED, AUTHORITY,
           f"sed '/END/q' {BUNDLE} >/root/one; cat /root/one >{BUNDLE}"),
    # Accounts, with this family's PAM stack.
    broken("rhel8", "the keys user is gone", DENIED, "os.account.keys-user", "userdel ec2-instance-connect"),
    broken("rhel9", "a key pushed for a user of another distribution", DENIED, "os.account.os-user", "", os_user="rocky"),
    broken("rhel9", "the account expired", CLOSED, "os.account.expired", "chage -E 2020-01-01 ec2-user"),
    broken("al2", "a new password is due", CLOSED, "os.account.expired", "usermod -p '*' ec2-user; chage -d 0 ec2-user"),
    broken("rhel8", "AllowGroups has another group", DENIED, "os.sshd.user-allowed", f"sed -i '1i AllowGroups wheel' {CONFIG}; {RESTART}"),
    broken("al2023", "/etc/nologin stands", CLOSED, "os.account.nologin", "echo maintenance >/etc/nologin"),
    broken("rhel9", "authselect's pam_access denies everybody but root", CLOSED, "os.account.access",
           "sed -i '/^account/i account required pam_access.so' /etc/pam.d/password-auth; echo '-:ALL EXCEPT root:ALL' >>/etc/security/access.conf"),
    well("rhel9", "authselect's pam_access admits the user",
         "sed -i '/^account/i account required pam_access.so' /etc/pam.d/password-auth; "
         "printf '+:ec2-user:ALL\\n-:ALL:ALL\\n' >>/etc/security/access.conf", warns=()),
    well("al2023", "the keys user is locked", "passwd -l ec2-instance-connect", warns=()),
    # Two at once.
    both("al2023", "the package is absent, and the port another", UNREACHED, (INSTALLED, "os.sshd.port"),
         f"echo 'Port 2222' >/etc/ssh/sshd_config.d/10-port.conf; {RESTART}", spec={"package_version": None}),
    both("rhel9", "the program is gone, and the account expired", DENIED, (FILES, "os.account.expired"),
         f"rm {RUN}; chage -E 2020-01-01 ec2-user"),
    both("al2", "the bundle is gone, and curl too", DENIED, (AUTHORITY, TOOLS), f"rm {BUNDLE} /usr/bin/curl"),
    both("rhel8", "the drop-in is gone, and the keys user", DENIED, (WIRED, "os.account.keys-user"),
         f"rm {DROP_IN}; systemctl daemon-reload; {RESTART}; userdel ec2-instance-connect"),
    both("al2023", "the third script is gone, and IMDS's answers are refused", DENIED, (FILES, "os.imds.token"),
         f"rm {BIN}/eic_parse_authorized_keys", imds={"http_endpoint": "disabled"}),
    both("rhel9", "FreeIPA's file comes first, and the user may not log in", DENIED, (WIRED, "os.sshd.user-allowed"),
         f"printf '#!/bin/sh\\n' >/usr/bin/sss_ssh_authorizedkeys; chmod 0755 /usr/bin/sss_ssh_authorizedkeys; "
         f"printf 'AuthorizedKeysCommand /usr/bin/sss_ssh_authorizedkeys\\nAuthorizedKeysCommandUser nobody\\nDenyUsers ec2-user\\n' "
         f">/etc/ssh/sshd_config.d/04-ipa.conf; {RESTART}"),
]  # fmt: skip
