"""The wall time of one live check against its slowest single call, and against the same calls made one after another.

AWS's answers are held back by a fixed time, since on one machine there is no network to wait for. Run Command is left out: what
an instance takes to answer is no matter of round trips. The wall time is that of the whole process, from its start to its end.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from running import RunningLab

HERE = Path(__file__).resolve().parent
PROGRAM = Path(os.environ.get("EIC_DOCTOR") or HERE.parent.parent / "target" / "debug" / "eic-doctor")
GOAL = 2.2
WAYS = {
    "browser": ["--via", "browser"],
    "public": ["--via", "public", "--source", "203.0.113.7"],
    "private": ["--via", "private", "--source", "10.0.0.9"],
    "auto": [],
}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    delay = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    lab = RunningLab("--no-machines")
    try:
        made = lab.scenario(machine=False)
        key = made["access_key"]
        lab.ask("POST", "/aws", {"access_key": key, "rules": [{"action": "*", "answer": "delay", "ms": delay}]})
        print(f"every answer held back by {delay} ms, median of {runs} runs")
        print("way        calls  wall ms  slowest call ms  ratio")
        for way, arguments in WAYS.items():
            measured = [one(lab, made, arguments) for _ in range(runs)]
            calls, wall, slowest = (statistics.median(column) for column in zip(*measured))
            ratio = statistics.median(wall / slowest for _, wall, slowest in measured)
            print(f"{way:<9}  {calls:>5.0f}  {wall:>7.0f}  {slowest:>15.0f}  {ratio:>5.2f}  (goal: {GOAL})")
        count, seconds = one_after_another(lab, made)
        print(f"one after another: {count} calls, {seconds * 1000:.0f} ms")
    finally:
        lab.stop()


def one(lab: RunningLab, made: dict[str, Any], arguments: list[str]) -> tuple[int, float, float]:
    """Calls, wall time and the slowest call's time, in milliseconds, of one check."""
    path = f"/aws/calls?access_key={made['access_key']}"
    lab.ask("DELETE", path)
    command = [PROGRAM, "check", made["instance_id"], "--os-facts", "none", "--principal", made["role_arn"], *arguments]
    began = time.perf_counter()
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin", **made["env"]}, capture_output=True, text=True)
    wall = (time.perf_counter() - began) * 1000
    if done.returncode not in (0, 1, 3):
        raise RuntimeError(done.stderr)
    took = [call["ms"] for call in lab.ask("GET", path)]
    return len(took), wall, max(took)


def one_after_another(lab: RunningLab, made: dict[str, Any]) -> tuple[int, float]:
    """What a script over the SDK takes that asks the same for the browser's way. How many calls, and seconds."""
    path = f"/aws/calls?access_key={made['access_key']}"
    lab.ask("DELETE", path)
    env, region = made["env"], made["region"]

    def client(service: str) -> Any:
        return boto3.client(
            service, region_name=region, endpoint_url=lab.endpoint, config=Config(retries={"total_max_attempts": 1}),
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    ec2, iam, ssm, sts = (client(service) for service in ("ec2", "iam", "ssm", "sts"))
    began = time.perf_counter()
    sts.get_caller_identity()
    reservation = ec2.describe_instances(InstanceIds=[made["instance_id"]])["Reservations"][0]
    instance = reservation["Instances"][0]
    ec2.describe_instance_status(InstanceIds=[made["instance_id"]], IncludeAllInstances=True)
    ec2.describe_images(ImageIds=[instance["ImageId"]])
    ec2.describe_regions(AllRegions=True)
    ec2.describe_availability_zones(AllAvailabilityZones=True)
    vpc = [{"Name": "vpc-id", "Values": [instance["VpcId"]]}]
    ec2.describe_subnets(SubnetIds=[instance["SubnetId"]])
    ec2.describe_security_groups(GroupIds=[group["GroupId"] for group in instance["SecurityGroups"]])
    ec2.describe_network_acls(Filters=vpc)
    ec2.describe_route_tables(Filters=vpc)
    ec2.describe_internet_gateways()
    ec2.describe_vpc_block_public_access_options()
    names = [f"com.amazonaws.{region}.ec2-instance-connect", f"com.amazonaws.{region}.ipv6.ec2-instance-connect"]
    lists = ec2.describe_managed_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": names}])
    for known in lists["PrefixLists"]:
        ec2.get_managed_prefix_list_entries(PrefixListId=known["PrefixListId"])
    arn = f"arn:aws:ec2:{region}:{reservation['OwnerId']}:instance/{made['instance_id']}"
    iam.simulate_principal_policy(
        PolicySourceArn=made["role_arn"], ActionNames=["ec2-instance-connect:SendSSHPublicKey"], ResourceArns=[arn]
    )
    ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [made["instance_id"]]}])
    seconds = time.perf_counter() - began
    return len(lab.ask("GET", path)), seconds


if __name__ == "__main__":
    main()
