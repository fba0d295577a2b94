"""Rows in which the agent is known to be wrong, and how. They are no part of the matrix: `run-matrix --open` runs them."""

from __future__ import annotations

OPEN = {
    "another program has port 22": "the printed command cannot mend it",
    "ssh.socket listens on another port": "the printed command does not mend it without Ubuntu's generator",
    "RHEL 9: sshd_config does not include sshd_config.d": "two findings, for that file also turns PAM on",
    "sshd_config was edited with no effect and sshd not restarted": "unknown, since nobody knows what the file said when sshd read it",
    "no keys user and /dev/shm": "without the keys user nobody looks at /dev/shm",
}
