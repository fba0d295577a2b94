"""Faults of the instance itself and of where it is."""

from __future__ import annotations

from . import Target, at_creation, fault


@fault
def instance_stopped(target: Target) -> None:
    """The instance is stopped."""
    target.ec2.stop_instances(InstanceIds=[target.ids["instance_id"]])


@fault
def status_check_impaired(target: Target) -> None:
    """EC2's instance status check fails, while the instance is running."""
    target.node.instance_status = "impaired"


@at_creation(region="eusc-de-east-1")
def region_unsupported(target: Target) -> None:
    """The instance is in the European Sovereign Cloud, where EC2 Instance Connect is not offered."""


@at_creation(region="us-west-2", availability_zone="us-west-2-lax-1a")
def local_zone(target: Target) -> None:
    """The instance is in a Local Zone, where EC2 Instance Connect is not offered."""


@fault
def os_user_missing(target: Target) -> None:
    """The OS user that one connects as does not exist in the instance."""
    target.sh(f"userdel --force --remove {target.ids['os_user']} 2>/dev/null")
