"""What CloudTrail tells of the last attempts; AWS's simulator and AWS itself need not agree."""

from botocore.exceptions import ClientError

from outside.row import PUBLIC, healthy, partial
from outside.site import Site

LAST_PUSH = "aws.trail.last-push"
# Nobody's.
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + 43 * "A"


def push(s: Site, os_user: str = "ec2-user") -> None:
    """By a session of the role that the check asks about; its policy lets it push for `ec2-user` alone."""
    s.connector("ec2-instance-connect").send_ssh_public_key(
        InstanceId=s.instance_id, InstanceOSUser=os_user, SSHPublicKey=KEY
    )


def refused(s: Site) -> None:
    try:
        push(s, "root")
    except ClientError:
        return
    raise AssertionError("the push was not refused")


ROWS = [
    partial("the last push was refused, for whom is not told", PUBLIC, LAST_PUSH, refused, answer="allowed", says="it is not allowed",
            for_good="the next push is answered otherwise"),
    healthy("a push was refused, and the next one was not", PUBLIC, lambda s: [refused(s), push(s)]),
    healthy("the last key was pushed", PUBLIC, push),
    healthy("CloudTrail may not be asked", PUBLIC, lambda s: s.refuse("cloudtrail:LookupEvents")),
]  # fmt: skip
