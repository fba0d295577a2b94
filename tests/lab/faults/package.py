"""Faults of the package `ec2-instance-connect` and of what it installs."""

from __future__ import annotations

from . import Target, fault

# The last one that asks the metadata service without a token.
OLD_VERSION = "1.1.11"


@fault
def package_absent(target: Target) -> None:
    """The package is not installed."""
    target.inside.remove_package()


@fault
def package_old_with_tokens_required(target: Target) -> None:
    """The package is 1.1.11, which cannot use IMDSv2, and the metadata service requires tokens."""
    target.inside.install_package(OLD_VERSION)
    target.ec2.modify_instance_metadata_options(InstanceId=target.ids["instance_id"], HttpTokens="required")


@fault
def keys_command_missing(target: Target) -> None:
    """The file that sshd's AuthorizedKeysCommand names is gone."""
    target.sh("rm /usr/share/ec2-instance-connect/eic_run_authorized_keys")


@fault
def keys_user_missing(target: Target) -> None:
    """The user that sshd's AuthorizedKeysCommandUser names does not exist."""
    target.sh("userdel --force ec2-instance-connect")
