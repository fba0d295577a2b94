"""The instance itself, its zone and its Region."""

from typing import Any

from outside.row import PUBLIC, RUNNING, Row, fault, healthy, partial
from outside.rows.iam import allow
from outside.site import Site

CONSOLE = "aws.instance.console"
BOOT = "[    0.000000] Linux version 6.1.112-122.189.amzn2023.x86_64 (mockbuild@ip-10-0-0-1)\r\n"
KILLED = "[  812.331042] Out of memory: Killed process 1432 (java) total-vm:1961148kB, anon-rss:902212kB\r\n"
EMERGENCY = "[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mFile System Check on /dev/sdf\x1b[0m.\r\nYou are in emergency mode.\r\n"
LOGIN = "[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mMulti-User System\x1b[0m.\r\n\r\nip-10-0-0-5 login: "
STATUS, METADATA = "aws.instance.status-checks", "aws.instance.metadata-endpoint"
EVENTS = "aws.instance.scheduled-events"
RETIREMENT = {"code": "instance-retirement", "description": "The instance is running on degraded hardware",
              "not_before": "2026-12-04T00:00:00.000Z"}  # fmt: skip
OVER = {"code": "system-reboot", "description": "[Completed] Scheduled reboot", "not_before": "2026-11-20T00:00:00.000Z"}
# Until `aws ec2 wait` asks, the instance was described twice: for the addresses that its system configures, and by the check.
LOOKS = 2


def of_instance(name: str, cause: str, change, **more: Any) -> Row:
    """The network is as it should be."""
    return fault(name, PUBLIC, cause, change, answer="allowed", **more)


def dark(name: str, console: str, says: str, **told: Any) -> Row:
    """Impaired, and its console says why; a reboot mends the status, and what the console said is of the past then."""
    return partial(name, PUBLIC, (STATUS, CONSOLE), lambda s: [s.node(instance_status="impaired"), s.told(console=console, **told)],
                   hand=lambda s: s.told(), answer="allowed", says=says)  # fmt: skip


def quiet(name: str, console: str, **told: Any) -> Row:
    return partial(name, PUBLIC, STATUS, lambda s: [s.node(instance_status="impaired"), s.told(console=console, **told)], answer="allowed")


def unmanaged(name: str, change, says: str, for_good: str = "the role must be changed", **more: Any) -> Row:
    return partial(name, PUBLIC, "aws.ssm.managed-node", lambda s: [change(s), s.node(ping_status=None)], answer="allowed", says=says,
                   for_good=for_good, **more)  # fmt: skip


def _stop(s: Site) -> None:
    s.ec2.stop_instances(InstanceIds=[s.instance_id])


STOPPED = of_instance("stopped", RUNNING, _stop)
NO_METADATA = of_instance("the metadata service is switched off", METADATA,
                    lambda s: s.ec2.modify_instance_metadata_options(InstanceId=s.instance_id, HttpEndpoint="disabled"))  # fmt: skip

ROWS = [
    STOPPED,
    NO_METADATA,
    of_instance("terminated", RUNNING, lambda s: s.ec2.terminate_instances(InstanceIds=[s.instance_id]), for_good="it is gone"),
    of_instance("pending", RUNNING, lambda s: s.told(state="pending", state_lasts=LOOKS)),
    of_instance("stopping", RUNNING, lambda s: [_stop(s), s.told(state="stopping", state_lasts=LOOKS)]),
    of_instance("shutting down", RUNNING, lambda s: s.told(state="shutting-down"), for_good="it is gone"),
    of_instance("operated by a service", "aws.instance.not-operator-managed", lambda s: s.told(operator="eks.amazonaws.com"),
          for_good="the service's own tools must be used", says="eks.amazonaws.com"),
    of_instance("Windows", "aws.instance.not-windows", lambda s: s.told(platform="windows"), for_good="Remote Desktop must be used"),
    of_instance("in a Local Zone", "aws.region.availability-zone", lambda s: None,
          spec={"region": "us-west-2", "availability_zone": "us-west-2-lax-1a"}, for_good="it must be moved"),
    of_instance("in a Region without the service", "aws.region.offered", lambda s: None, spec={"region": "eusc-de-east-1"},
          for_good="it must be moved"),
    partial("a status check fails", PUBLIC, STATUS, lambda s: s.node(instance_status="impaired"), answer="allowed"),
    partial("the system's status check fails", PUBLIC, STATUS, lambda s: s.node(system_status="impaired"), answer="allowed"),
    partial("its EBS volumes' status check fails", PUBLIC, STATUS, lambda s: s.node(ebs_status="impaired"), answer="allowed"),
    dark("it ran out of memory", BOOT + LOGIN + KILLED, says="memory ran out"),
    dark("it waits in an emergency shell", BOOT + EMERGENCY, says="a file system must be checked by hand"),
    dark("it waits in an emergency shell, and its type tells no newest console", BOOT + EMERGENCY, says="emergency shell", console_latest=False),
    quiet("it is impaired, and its console is quiet", BOOT + LOGIN),
    quiet("it is impaired, and ran out of memory before the last boot", BOOT + KILLED + BOOT + LOGIN),
    quiet("it is impaired, and its console is of an earlier run", BOOT + KILLED, console_at="2020-01-01T00:00:00.000Z"),
    quiet("it is impaired, and writes to no console", ""),
    healthy("memory ran out, and all is well again", PUBLIC, lambda s: s.told(console=BOOT + KILLED)),
    partial("a status check fails, and its console may not be read", PUBLIC, STATUS,
            lambda s: [s.node(instance_status="impaired"), s.refuse("ec2:GetConsoleOutput")], answer="allowed"),
    partial("its retirement is scheduled", PUBLIC, EVENTS, lambda s: s.node(events=[RETIREMENT, OVER]), answer="allowed",
            says="from 2026-12-04T00:00:00"),
    healthy("a scheduled reboot is over", PUBLIC, lambda s: s.node(events=[OVER], ebs_status="ok")),
    healthy("status checks are not made yet", PUBLIC, lambda s: s.node(instance_status="insufficient-data")),
    healthy("tokens are optional", PUBLIC, lambda s: None, spec={"http_tokens": "optional"}),
    partial("Systems Manager does not manage it", PUBLIC, "aws.ssm.managed-node", lambda s: s.node(ping_status=None), answer="allowed",
            for_good="an instance profile must be made", says="it has no instance profile"),
    unmanaged("the role of its instance profile may not do what the SSM Agent needs", lambda s: s.profile(allow("s3:*")),
              "the role of its instance profile, may not call ssm:UpdateInstanceInformation", for_good="AWS's managed policies are not in the lab"),
    unmanaged("the role of its instance profile may not open channels", lambda s: s.profile(allow("ssm:*")),
              "may not call ssmmessages:CreateControlChannel", for_good="AWS's managed policies are not in the lab"),
    unmanaged("the role of its instance profile may, and it is not managed all the same", lambda s: s.profile(allow(["ssm:*", "ssmmessages:*"])),
              "not to be seen from AWS's side", quotes="ssmmessages:OpenDataChannel allowed"),
    unmanaged("its instance profile holds no role", lambda s: s.profile(has_role=False), "its instance profile holds no role"),
    unmanaged("its instance profile may not be read", lambda s: [s.profile(), s.refuse("iam:GetInstanceProfile")],
              "not to be seen from AWS's side", quotes="was not looked at: the credentials may not call iam:GetInstanceProfile"),
    partial("the SSM Agent is no longer heard of", PUBLIC, "aws.ssm.managed-node", lambda s: s.node(ping_status="ConnectionLost"), answer="allowed",
            for_good="the agent must be looked at", says="PingStatus ConnectionLost"),
    partial("a status check fails, and the SSM Agent is not heard of with it", PUBLIC, (STATUS, "aws.ssm.managed-node"),
            lambda s: s.node(instance_status="impaired", ping_status="ConnectionLost"), answer="allowed",
            for_good="both come back with the instance", says="EC2's instance status check fails"),
]  # fmt: skip
