"""Faults of the instance metadata service and of the way to it."""

from __future__ import annotations

from . import Target, fault

REJECT = """
nft add table inet eic_fault
nft 'add chain inet eic_fault output {{ type filter hook output priority 0; }}'
nft 'add rule inet eic_fault output ip daddr 169.254.169.254 {owner} tcp dport 80 reject'
"""


@fault
def metadata_endpoint_disabled(target: Target) -> None:
    """The instance's metadata endpoint is disabled, for the API and in the instance."""
    target.ec2.modify_instance_metadata_options(InstanceId=target.ids["instance_id"], HttpEndpoint="disabled")


@fault
def imds_blocked(target: Target) -> None:
    """A firewall in the instance rejects the metadata service for everybody."""
    target.sh(REJECT.format(owner=""))


@fault
def imds_blocked_for_keys_user(target: Target) -> None:
    """A firewall in the instance rejects the metadata service for the keys command's user only."""
    target.sh(REJECT.format(owner="meta skuid ec2-instance-connect"))
