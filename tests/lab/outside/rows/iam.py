"""What the principal may do: look the instance up, push a key, open a tunnel."""

from typing import Any

from outside.row import BROWSER, ENDPOINT, LOOK_UP, PRINCIPAL, PUBLIC, PUSH, TUNNEL, Change, Row, fault, healthy, partial, unknown
from outside.site import Site

KEY, OPEN, LOOK = "ec2-instance-connect:SendSSHPublicKey", "ec2-instance-connect:OpenTunnel", "ec2:DescribeInstances"
AUTO = ("--via", "auto")


def allow(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    return _statement("Allow", {"Action": action}, {"Resource": resource}, condition)


def deny(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    return _statement("Deny", {"Action": action}, {"Resource": resource}, condition)


def _statement(effect: str, action: dict[str, Any], resource: dict[str, Any], condition: dict[str, Any]) -> dict[str, Any]:
    return {"Effect": effect, **action, **resource, **({"Condition": condition} if condition else {})}


LOOKS = allow(LOOK)


def pushes(resource: Any = None, **condition: Any) -> Change:
    """The role's one policy for the push, in place of the healthy one."""
    return lambda s: s.policy("connect", LOOKS, allow(KEY, resource or s.instance_arn, **condition))


def more(statement: dict[str, Any], mend: bool = True) -> dict[str, Any]:
    """A second policy beside the healthy one, which denies; what a person does is to take it away."""
    return {"change": lambda s: s.policy("guard", statement), "hand": lambda s: s.no_policy("guard")}


def users(s: Site) -> dict[str, str]:
    return {"ec2:osuser": s.os_user}


def _a_users_group(s: Site, *statements: dict[str, Any], path: str = "/") -> str:
    name = s.user(path=path)
    s.made["group"] = s.group_of(name, LOOKS, *statements)
    return name


def _group_denies(s: Site) -> None:
    s.group_of(s.user(LOOKS, allow(KEY)), deny(KEY))
    s.made["user"] = s.principal.rpartition("/")[2]


def _out_of_the_group(s: Site) -> None:
    for group in s.iam.list_groups_for_user(UserName=s.made["user"])["Groups"]:
        s.iam.remove_user_from_group(GroupName=group["GroupName"], UserName=s.made["user"])


def _attached(s: Site, *statements: dict[str, Any]) -> None:
    s.made["managed"] = s.managed(*statements)
    s.iam.attach_role_policy(RoleName=s.role_name, PolicyArn=s.made["managed"])


def _detached(s: Site) -> None:
    s.iam.detach_role_policy(RoleName=s.role_name, PolicyArn=s.made["managed"])


def _tag(s: Site, **tags: str) -> None:
    s.ec2.create_tags(Resources=[s.instance_id], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])


def _session(s: Site) -> None:
    name = s.role_name
    s.principal = f"arn:aws:sts::{s.account_id}:assumed-role/{name}/alice"


def _sso(s: Site, *statements: dict[str, Any]) -> None:
    """A role as IAM Identity Center makes them, seen as the session that a person has."""
    name = f"AWSReservedSSO_Ops_{s.instance_id[-16:]}"
    s.role(*statements, name=name, path=f"/aws-reserved/sso.amazonaws.com/{s.region}/")
    s.principal = f"arn:aws:sts::{s.account_id}:assumed-role/{name}/ann@example.com"


def _in_the_permission_set(s: Site) -> None:
    name = s.principal.split("/")[1]
    s.iam.put_role_policy(RoleName=name, PolicyName="set", PolicyDocument=_allowing_push(s))


def _allowing_push(s: Site) -> str:
    from outside.site import document

    return document(allow(KEY, s.instance_arn))


def tunnel(name: str, condition: dict[str, Any], **more: Any) -> Row:
    return fault(name, ENDPOINT, TUNNEL, lambda s: [s.endpoint(may=False), s.may_open("*", **condition)], answer="allowed", **more)


def opens(name: str, flags: tuple[str, ...], condition: dict[str, Any]) -> Row:
    return healthy(name, flags, lambda s: [s.endpoint(may=False), s.may_open("*", **condition)])


PORT, TO, FOR = (f"ec2-instance-connect:{name}" for name in ("remotePort", "privateIpAddress", "maxTunnelDuration"))


DENIED = ('{"Effect":"Deny","Action":"ec2-instance-connect:SendSSHPublicKey","Resource":"*",'
          '"Condition":{"StringEquals":{"ec2:osuser":"ec2-user"}}}')  # fmt: skip


def push_fault(name: str, change: Change, flags: tuple[str, ...] = PUBLIC, **more: Any) -> Row:
    return fault(name, flags, PUSH, change, answer="allowed", **more)


ROWS = [
    push_fault("no policy lets a key be pushed", lambda s: s.policy("connect", LOOKS)),
    push_fault("the policy names another instance", pushes("arn:aws:ec2:eu-west-1:123456789012:instance/i-0123456789abcdef0")),
    push_fault("the policy names the instance of another Region", lambda s: s.policy(
        "connect", LOOKS, allow(KEY, s.instance_arn.replace(s.region, "us-west-2")))),
    push_fault("the wildcard of the policy begins otherwise", pushes("arn:aws:ec2:*:*:instance/i-x*")),
    push_fault("the policy names volumes", pushes("arn:aws:ec2:*:*:volume/*")),
    push_fault("the policy spells the action of the serial console", lambda s: s.policy(
        "connect", LOOKS, allow("ec2-instance-connect:SendSerialConsoleSSHPublicKey"))),
    push_fault("the policy lets all of EC2 be done", lambda s: s.policy("connect", allow("ec2:*"))),
    push_fault("NotAction leaves the service out", lambda s: s.policy(
        "connect", {"Effect": "Allow", "NotAction": "ec2-instance-connect:*", "Resource": "*"})),
    push_fault("NotResource leaves the instance out", lambda s: s.policy(
        "connect", LOOKS, {"Effect": "Allow", "Action": KEY, "NotResource": s.instance_arn})),
    push_fault("the policy is for other OS users", pushes(StringEquals={"ec2:osuser": ["ubuntu", "admin"]})),
    push_fault("the policy's pattern of OS users does not fit", pushes(StringLike={"ec2:osuser": "svc-*"})),
    push_fault("the policy is for instances with a tag that this one lacks", pushes(StringEquals={"aws:ResourceTag/team": "web"}),
               says="no policy of"),
    push_fault("the policy is for another value of the tag", lambda s: [
        _tag(s, env="prod"), pushes(StringEquals={"ec2:ResourceTag/env": "test"})(s)]),
    push_fault("the policy is for another Region", pushes(StringEquals={"aws:RequestedRegion": ["us-east-1", "us-west-2"]})),
    push_fault("the policy held until last year", pushes(DateLessThan={"aws:CurrentTime": "2025-01-01T00:00:00Z"})),
    push_fault("another policy denies it", says="guard", quotes='the inline policy guard of role ', **more(deny(KEY))),
    push_fault("the second of three statements denies it", quotes=DENIED, change=lambda s: s.policy(
        "guard", allow("s3:*"), deny(KEY, StringEquals={"ec2:osuser": "ec2-user"}), deny("iam:*")), hand=lambda s: s.no_policy("guard")),
    push_fault("another policy denies it, and may not be read", says="guard", quotes="not quoted: the credentials may not call iam:GetRolePolicy",
               change=lambda s: [s.policy("guard", deny(KEY)), s.refuse("iam:GetRolePolicy")], hand=lambda s: s.no_policy("guard")),
    push_fault("another policy denies all of the service", says="guard", **more(deny("ec2-instance-connect:*"))),
    push_fault("another policy denies instances without a tag", **more(
        deny(KEY, StringNotEquals={"aws:ResourceTag/approved": "yes"}))),
    push_fault("another policy denies every OS user but one", **more(deny(KEY, StringNotEquals={"ec2:osuser": "admin"}))),
    push_fault("a managed policy denies it", lambda s: _attached(s, deny(KEY)), hand=_detached, says="managed-",
               quotes='{"Effect":"Deny","Action":"ec2-instance-connect:SendSSHPublicKey","Resource":"*"}'),
    push_fault("a group of the user denies it", _group_denies, hand=_out_of_the_group, says="group_", quotes="the inline policy connect_all of group "),
    push_fault("the group of the user lets keys be pushed elsewhere", lambda s: _a_users_group(s, allow(KEY, "arn:aws:ec2:*:*:instance/i-0*x"))),
    push_fault("the permissions boundary leaves it out", lambda s: s.bound(allow("ec2:*")), hand=lambda s: s.no_boundary(),
               says="the permissions boundary", quotes='{"Action":"ec2:*","Effect":"Allow","Resource":"*"}'),
    push_fault("the permissions boundary leaves it out, and may not be read", lambda s: [s.bound(allow("ec2:*")), s.refuse("iam:GetPolicy")],
               hand=lambda s: s.no_boundary(), says="the permissions boundary", quotes="not quoted: the credentials may not call iam:GetPolicy"),
    push_fault("the permissions boundary denies it", lambda s: s.bound(allow("*"), deny(KEY)), hand=lambda s: s.no_boundary(), says="denies",
               quotes='{"Effect":"Deny","Action":"ec2-instance-connect:SendSSHPublicKey","Resource":"*"}'),
    push_fault("the organization denies it", lambda s: s.service_control(deny(KEY)), hand=lambda s: s.service_control(),
               says="an Organizations policy denies"),
    push_fault("the organization allows other services alone", lambda s: s.service_control(allow(["ec2:*", "iam:*"])),
               hand=lambda s: s.service_control(), says="an Organizations policy does not allow"),
    push_fault("a session of a role that may not", lambda s: [s.policy("connect", LOOKS), _session(s)]),
    push_fault("a session of IAM Identity Center that may not", lambda s: _sso(s, LOOKS), hand=_in_the_permission_set),
    push_fault("a user with a path, without a policy for it", lambda s: s.user(LOOKS, path="/team/web/")),
    fault("the console may not look the instance up", BROWSER, LOOK_UP, lambda s: s.policy("connect", allow(KEY)), answer="allowed"),
    fault("the AWS CLI may not look the instance up", AUTO + PUBLIC[2:], LOOK_UP, lambda s: s.policy(
        "connect", allow(KEY), allow(LOOK, s.instance_arn)), answer="allowed"),
    fault("the AWS CLI may not look the endpoint up", AUTO, LOOK_UP,
          lambda s: [s.endpoint(), s.no_public_address(), s.policy("connect", LOOKS, allow(KEY))], answer="allowed"),
    fault("there is no such role", PUBLIC, PRINCIPAL, lambda s: setattr(s, "principal", s.principal + "-x"), answer="allowed",
          for_good="another principal must be named"),
    partial("the client may not look the instance up, and need not", PUBLIC, LOOK_UP, lambda s: s.policy("connect", allow(KEY)), answer="allowed"),
    tunnel("tunnels of ten minutes at most, and nobody says how long", {"NumericLessThanEquals": {FOR: "600"}},
           hand=lambda s: s.may_open("*")),
    tunnel("tunnels to port 3389 and this subnet", {"NumericEquals": {PORT: "3389"}, "IpAddress": {TO: "10.0.0.0/8"}}),
    unknown("the policy asks for MFA", PUBLIC, PUSH, pushes(Bool={"aws:MultiFactorAuthPresent": "true"}), answer="allowed",
            says="aws:MultiFactorAuthPresent"),
    unknown("the policy asks whence the request comes", PUBLIC, PUSH, pushes(IpAddress={"aws:SourceIp": "198.51.100.0/24"}), answer="allowed",
            says="--context aws:SourceIp="),
    unknown("another policy denies requests from elsewhere", PUBLIC, PUSH, lambda s: s.policy(
        "guard", deny(KEY, NotIpAddress={"aws:SourceIp": "203.0.113.0/24"})), answer="allowed", says="aws:SourceIp"),
    unknown("the simulator may not be asked", PUBLIC, (PRINCIPAL, LOOK_UP, PUSH), lambda s: s.refuse("iam:SimulatePrincipalPolicy"),
            answer="allowed", action="iam:SimulatePrincipalPolicy"),
    unknown("the simulator is throttled", PUBLIC, (PRINCIPAL, LOOK_UP, PUSH),
            lambda s: s.refuse("iam:SimulatePrincipalPolicy", answer="throttle"), answer="allowed", says="Throttling"),
    unknown("the simulator is ill", PUBLIC, (PRINCIPAL, LOOK_UP, PUSH),
            lambda s: s.refuse("iam:SimulatePrincipalPolicy", answer="http-500"), answer="allowed"),
    unknown("a session whose role's path may not be read", PUBLIC, (PRINCIPAL, LOOK_UP, PUSH), lambda s: [_session(s), s.refuse("iam:GetRole")],
            answer="allowed", action="iam:GetRole"),
    unknown("a service-linked role", PUBLIC, (PRINCIPAL, LOOK_UP, PUSH), lambda s: setattr(
        s, "principal", f"arn:aws:iam::{s.account_id}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"),
            answer="allowed", says="service-linked role"),
    unknown("a role of another account", PUBLIC, (PRINCIPAL, LOOK_UP, PUSH), lambda s: setattr(s, "principal", "arn:aws:iam::999999999999:role/ops"),
            answer="allowed", says="another account"),
    healthy("the policy names every instance of the account", PUBLIC, lambda s: s.policy(
        "connect", LOOKS, allow(KEY, f"arn:aws:ec2:*:{s.account_id}:instance/*"))),
    healthy("NotAction leaves IAM out", PUBLIC, lambda s: s.policy("connect", {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})),
    healthy("NotResource leaves another instance out", PUBLIC, lambda s: s.policy(
        "connect", LOOKS, {"Effect": "Allow", "Action": KEY, "NotResource": "arn:aws:ec2:*:*:instance/i-0123456789abcdef0"})),
    healthy("the policy holds for these years", PUBLIC, pushes(
        DateGreaterThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"}, NumericGreaterThan={"aws:EpochTime": "1577836800"})),
    healthy("the pattern of OS users fits", PUBLIC, pushes(StringLike={"ec2:osuser": "ec2-*"})),
    healthy("the OS user is one of the list", PUBLIC, pushes(StringEquals={"ec2:osuser": ["ubuntu", "ec2-user"]})),
    healthy("the tag fits, in its other spelling", PUBLIC, lambda s: [
        _tag(s, env="prod"), pushes(StringEquals={"ec2:ResourceTag/env": ["prod", "test"]})(s)]),
    healthy("a denial is for another OS user", PUBLIC, lambda s: s.policy("guard", deny(KEY, StringEquals={"ec2:osuser": "root"}))),
    healthy("a denial is for requests without TLS", PUBLIC, lambda s: s.policy("guard", deny("*", Bool={"aws:SecureTransport": "false"}))),
    healthy("a denial is for instances with a tag that this one lacks", PUBLIC, lambda s: s.policy(
        "guard", deny(KEY, StringEquals={"aws:ResourceTag/locked": "yes"}))),
    healthy("a denial asks for MFA to delete buckets", PUBLIC, lambda s: s.policy(
        "guard", deny("s3:*", BoolIfExists={"aws:MultiFactorAuthPresent": "false"}))),
    healthy("the policy asks for MFA, and it is told", (*PUBLIC, "--context", "aws:MultiFactorAuthPresent=true"),
            pushes(Bool={"aws:MultiFactorAuthPresent": "true"})),
    healthy("the policy asks whence the request comes, and it is told", (*PUBLIC, "--context", "aws:SourceIp=198.51.100.7"),
            pushes(IpAddress={"aws:SourceIp": "198.51.100.0/24"})),
    healthy("the permissions boundary allows it", PUBLIC, lambda s: s.bound(allow(["ec2:Describe*", "ec2-instance-connect:*"]))),
    healthy("the organization denies another service", PUBLIC, lambda s: s.service_control(deny("s3:*"))),
    healthy("a user through a group, with a path", PUBLIC, lambda s: _a_users_group(s, allow(KEY), path="/team/")),
    healthy("a managed policy alone", PUBLIC, lambda s: [s.no_policy("connect"), _attached(s, LOOKS, allow(KEY))]),
    healthy("a session of the role, which has a path", PUBLIC, _session),
    healthy("a session of IAM Identity Center", PUBLIC, lambda s: _sso(s, LOOKS, allow(KEY))),
    healthy("the keys that the policies read may not be asked for", PUBLIC, lambda s: s.refuse("iam:GetContextKeysForPrincipalPolicy")),
    opens("tunnels of ten minutes at most, and it is said", (*ENDPOINT, "--context", f"{FOR}=600"), {"NumericLessThanEquals": {FOR: "600"}}),
    opens("tunnels of an hour at most", ENDPOINT, {"NumericLessThanEquals": {FOR: "3600"}, "NumericEquals": {PORT: ["22", "3389"]}}),
]  # fmt: skip
