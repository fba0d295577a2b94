"""The keys user, and the OS user who logs in."""

from matrix.row import DENIED, fault

NOLOGIN_SHELL = "usermod -s /usr/sbin/nologin ec2-user"
EXPIRED = "chage -E 2020-01-01 ec2-user"

ROWS = [
    fault("the keys user is gone", DENIED, "os.account.keys-user", "userdel ec2-instance-connect"),
    fault("the OS user is not there", DENIED, "os.account.os-user", "userdel ec2-user; useradd -m -s /bin/bash ubuntu"),
    fault("a key pushed for a user of another distribution", DENIED, "os.account.os-user", "", os_user="ubuntu"),
]  # fmt: skip
