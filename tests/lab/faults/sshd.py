"""Faults of sshd and of its configuration."""

from __future__ import annotations

from . import Target, fault

OVERRIDE = """
printf '#!/bin/sh\\nexit 0\\n' >/usr/local/bin/directory_keys
chmod 0755 /usr/local/bin/directory_keys
mkdir -p /etc/systemd/system/ssh.service.d
cat >/etc/systemd/system/ssh.service.d/override.conf <<'UNIT'
[Service]
ExecStart=
ExecStart=/usr/sbin/sshd -D -o AuthorizedKeysCommand=/usr/local/bin/directory_keys -o AuthorizedKeysCommandUser=nobody $SSHD_OPTS
UNIT
systemctl daemon-reload
systemctl restart ssh.service
"""
OTHER_PORT = """
printf 'Port 2222\\n' >/etc/ssh/sshd_config.d/port.conf
systemctl restart ssh.service
"""


@fault
def keys_command_overridden(target: Target) -> None:
    """An `override.conf` of the administrator gives sshd another tool's AuthorizedKeysCommand."""
    target.sh(OVERRIDE)


@fault
def sshd_other_port(target: Target) -> None:
    """sshd listens on port 2222 only."""
    target.sh(OTHER_PORT)


@fault
def sshd_not_running(target: Target) -> None:
    """sshd is stopped."""
    target.sh("systemctl stop ssh.service")
