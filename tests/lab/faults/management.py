"""Faults of Systems Manager's reach to the instance: nothing is broken for SSH, but less can be seen."""

from __future__ import annotations

import time

from . import Target, fault

HOUR = 3600


@fault
def ssm_unmanaged(target: Target) -> None:
    """The instance is not a managed node."""
    target.node.ping_status = None


@fault
def ssm_connection_lost(target: Target) -> None:
    """SSM Agent has not been heard of for an hour."""
    target.node.ping_status = "ConnectionLost"
    target.node.last_ping = time.time() - HOUR
