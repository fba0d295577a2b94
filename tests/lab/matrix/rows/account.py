"""The keys user, and the OS user who logs in."""

from matrix.row import DENIED, fault

ROWS = [
    fault("the keys user is gone", DENIED, "os.account.keys-user", "userdel ec2-instance-connect"),
    fault("a key pushed for a user of another distribution", DENIED, "os.account.os-user", "", os_user="ubuntu"),
]  # fmt: skip
