"""Faults of the connecting principal's IAM policies."""

from __future__ import annotations

import json

from daemon.scenario import connect_policy

from . import Target, fault


@fault
def iam_implicit_deny(target: Target) -> None:
    """No policy of the role allows pushing a key."""
    _put(target, target.ids["policy_name"], {"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"})


@fault
def iam_explicit_deny(target: Target) -> None:
    """A second policy of the role denies pushing a key to any instance."""
    _put(target, "guard", {"Effect": "Deny", "Action": "ec2-instance-connect:SendSSHPublicKey", "Resource": "*"})


@fault
def iam_osuser_mismatch(target: Target) -> None:
    """The role's policy allows pushing a key for the OS user `ubuntu` only."""
    document = connect_policy(target.ids["region"], target.ids["instance_id"], "ubuntu")
    target.iam.put_role_policy(
        RoleName=target.ids["role_name"], PolicyName=target.ids["policy_name"], PolicyDocument=document
    )


def _put(target: Target, name: str, statement: dict[str, str]) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)
    target.iam.put_role_policy(RoleName=target.ids["role_name"], PolicyName=name, PolicyDocument=document)
