"""The instance profile of a scenario's instance: a role of its own, and the credentials that IMDS serves for it."""

from __future__ import annotations

import json
from typing import Any

from aws.front import Front

from .clients import ACCOUNT, Clients
from .scenario import PARTITIONS, Scenario, by_prefix


def give(front: Front, clients: Clients, scenario: Scenario) -> None:
    """Makes role and profile, gives the profile to the instance, and begins the instance's session."""
    iam, ec2, instance_id = clients.of("iam", scenario.region), clients.of("ec2", scenario.region), scenario.instance_id
    name = f"instance-{instance_id[-8:]}"
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    profile = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    ec2.associate_iam_instance_profile(IamInstanceProfile={"Name": name}, InstanceId=instance_id)
    partition = by_prefix(PARTITIONS, scenario.region, "aws")
    session = front.role_sessions.begin(ACCOUNT, partition, name, role["RoleId"], instance_id)
    scenario.ids["instance_role"] = {
        "name": name, "access_key": session.access_key, "secret_key": session.secret_key, "session_token": session.token,
        "profile_arn": profile["Arn"], "profile_id": profile["InstanceProfileId"],
    }  # fmt: skip


def take(front: Front, clients: Clients, scenario: Scenario) -> None:
    made: dict[str, Any] | None = scenario.ids.get("instance_role")
    if made is None:
        return
    front.role_sessions.end(made["access_key"])
    iam, name = clients.of("iam", scenario.region), made["name"]
    iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
    iam.delete_instance_profile(InstanceProfileName=name)
    iam.delete_role(RoleName=name)
