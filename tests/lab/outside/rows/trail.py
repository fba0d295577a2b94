"""What CloudTrail tells of the last attempts; AWS's simulator and AWS itself need not agree."""

import urllib.error
import urllib.request

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from outside.row import ENDPOINT, PUBLIC, healthy, partial
from outside.site import Site

LAST_PUSH, LAST_TUNNEL = "aws.trail.last-push", "aws.trail.last-tunnel"
# Nobody's.
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + 43 * "A"
# Of a kind that the service does not take.
OTHER_KEY = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBB" + 80 * "A"


def push(s: Site, os_user: str = "ec2-user", key: str = KEY, **more: str) -> None:
    """By a session of the role that the check asks about; its policy lets it push for `ec2-user` alone."""
    s.connector("ec2-instance-connect").send_ssh_public_key(
        InstanceId=s.instance_id, InstanceOSUser=os_user, SSHPublicKey=key, **more
    )


def refused(s: Site, code: str = "AccessDenied", **what: str) -> None:
    try:
        push(s, **(what or {"os_user": "root"}))
    except ClientError as error:
        if code not in error.response["Error"]["Code"]:
            raise
        return
    raise AssertionError("the push was not refused")


def tunnel(s: Site, port: int) -> int:
    """As the AWS CLI asks for one; the status of the answer."""
    given = s.connector_credentials
    credentials = Credentials(given["access_key"], given["secret_key"], given["session_token"])
    where = f"instanceConnectEndpointId={s.made['endpoint']}&maxTunnelDuration=3600&privateIpAddress={s.private_ip}&remotePort={port}"
    request = AWSRequest("GET", f"{s.env['AWS_ENDPOINT_URL']}/openTunnel?{where}")
    SigV4QueryAuth(credentials, "ec2-instance-connect", s.region, expires=60).add_auth(request)
    try:
        with urllib.request.urlopen(request.url, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def tunnels(s: Site, *wanted: tuple[bool, int]) -> None:
    """One after the other: whether the role may at that time, and to which port; it may in the end."""
    s.endpoint(may=False)
    for may, port in wanted:
        s.may_open("*" if may else "arn:aws:ec2:eu-west-1:123456789012:instance-connect-endpoint/eice-0123456789abcdef0")
        if (tunnel(s, port) == 200) != may:
            raise AssertionError(f"a tunnel to {port} was {'refused' if may else 'opened'}")
    s.may_open("*")


ROWS = [
    partial("the last push was refused, for whom is not told", PUBLIC, LAST_PUSH, refused, answer="allowed", says="it is not allowed",
            for_good="the next push is answered otherwise"),
    partial("the last key was of a kind that is not taken", PUBLIC, LAST_PUSH, lambda s: refused(s, "InvalidArgs", key=OTHER_KEY),
            answer="allowed", says="malformed", for_good="the next push is answered otherwise"),
    partial("the last push was for the instance of another zone", PUBLIC, LAST_PUSH,
            lambda s: refused(s, "EC2InstanceNotFound", AvailabilityZone=f"{s.region}z"),
            answer="allowed", says="no such instance", for_good="the next push is answered otherwise"),
    partial("the last tunnel was refused", ENDPOINT, LAST_TUNNEL, lambda s: tunnels(s, (False, 22)), answer="allowed",
            says="it is not allowed", for_good="the next tunnel is answered otherwise"),
    healthy("a tunnel was refused, and the next one was not", ENDPOINT, lambda s: tunnels(s, (False, 22), (True, 22))),
    healthy("a tunnel to another port was refused", ENDPOINT, lambda s: tunnels(s, (True, 22), (False, 3389))),
    healthy("a key of a kind that is not taken, and then one that is", PUBLIC, lambda s: [refused(s, "InvalidArgs", key=OTHER_KEY), push(s)]),
    healthy("a push was refused, and the next one was not", PUBLIC, lambda s: [refused(s), push(s)]),
    healthy("the last key was pushed", PUBLIC, push),
    healthy("CloudTrail may not be asked", PUBLIC, lambda s: s.refuse("cloudtrail:LookupEvents")),
]  # fmt: skip
