"""Rows in which the agent is known to be wrong, and how. They are no part of the matrix: `run-matrix --open` runs them."""

from __future__ import annotations

OPEN = {
    "a package that speaks IMDSv1 only, where tokens are required": "the agent does not ask whether IMDS demands tokens; the coordinator knows",
    "the keys command is empty": "sizes are not looked at",
    "the login shell's libraries are gone": "what a shell needs to start is not looked at",
    "the route to IMDS is prohibited": "`permission denied` is taken for a look that failed: unknown",
    "the trust anchor may be read by root only": "only Amazon's anchors are looked at, and this row shuts the lab's alone",
    "sshd is stopped in its tracks": "a listener that is stopped by a signal still listens",
    "sshd could not start: a keys command without an absolute path": "two findings, one after the other",
    "sshd could not start: no host keys": "the printed command does not mend it here",
    "sshd could not start: the program is gone": "the printed command cannot mend it",
    "sshd could not start: the user sshd is gone": "another check than the row's names it",
    "another program has port 22": "the printed command cannot mend it",
    "ssh.socket listens on another port": "the printed command does not mend it without Ubuntu's generator",
    "there is no default route": "two findings for one thing",
    "RHEL 9: sshd_config does not include sshd_config.d": "two findings, for that file also turns PAM on",
    "sshd_config was edited with no effect and sshd not restarted": "unknown, since nobody knows what the file said when sshd read it",
    "no keys user and /dev/shm": "without the keys user nobody looks at /dev/shm",
    "a rule sends the instance's replies into an empty table's blackhole": "two findings, for the same rule takes IMDS away",
}
