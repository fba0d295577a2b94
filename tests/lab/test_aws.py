"""EC2 as the lab answers for it, asked by boto3 and by the real AWS CLI; no machine is booted.

Run by `python3 tests/lab/test_aws.py` after `tests/lab/setup.sh`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

import lab

if __name__ == "__main__":
    lab.into_environment(Path(__file__))

import aws_case
from aws_case import KEY, PUSH, AwsTest

AWS = Path(sys.prefix) / "bin" / "aws"
setUpModule, tearDownModule = aws_case.start, aws_case.stop


class Ec2(AwsTest):
    def instance(self) -> dict:
        return self.client("ec2").describe_instances(InstanceIds=[self.id])["Reservations"][0]["Instances"][0]

    def test_an_instance_looks_as_ec2_describes_one(self) -> None:
        instance = self.instance()
        self.assertEqual(instance["PlatformDetails"], "Linux/UNIX")
        self.assertNotIn("Platform", instance)
        self.assertEqual(instance["Operator"], {"Managed": False})
        self.assertEqual(instance["Ipv6Address"], self.made["ipv6_address"])
        self.assertEqual(instance["PublicIpAddress"], self.made["public_ip"])
        self.assertEqual(instance["SecurityGroups"], [{"GroupId": self.made["sg_id"], "GroupName": "ssh"}])
        self.assertEqual(instance["Tags"], [{"Key": "Name", "Value": "web-1"}])

    def test_metadata_options_that_are_not_named_stay_as_they_are(self) -> None:
        before = self.instance()["MetadataOptions"]
        self.client("ec2").modify_instance_metadata_options(InstanceId=self.id, HttpTokens="optional")
        self.assertEqual(self.instance()["MetadataOptions"], before | {"HttpTokens": "optional"})

    def test_the_default_network_acl_has_ec2s_eight_entries(self) -> None:
        acl = self.client("ec2").describe_network_acls(NetworkAclIds=[self.made["acl_id"]])["NetworkAcls"][0]
        inbound = {
            (e["RuleNumber"], e["RuleAction"], e.get("CidrBlock") or e["Ipv6CidrBlock"]) for e in acl["Entries"] if not e["Egress"]
        }
        self.assertEqual(
            inbound,
            {(100, "allow", "0.0.0.0/0"), (101, "allow", "::/0"), (32767, "deny", "0.0.0.0/0"), (32768, "deny", "::/0")},
        )
        self.assertEqual(len(acl["Entries"]), 8)

    def test_a_custom_network_acl_denies_by_its_last_entries(self) -> None:
        acl = self.client("ec2").create_network_acl(VpcId=self.made["vpc_id"])["NetworkAcl"]
        self.assertEqual({(e["RuleNumber"], e["RuleAction"]) for e in acl["Entries"]}, {(32767, "deny"), (32768, "deny")})

    def routes(self) -> dict[str, str]:
        table = self.client("ec2").describe_route_tables(RouteTableIds=[self.made["rtb_id"]])["RouteTables"][0]
        return {r.get("DestinationCidrBlock") or r["DestinationIpv6CidrBlock"]: r["State"] for r in table["Routes"]}

    def test_routes_to_a_detached_gateway_are_blackholes(self) -> None:
        self.assertEqual(set(self.routes().values()), {"active"})
        self.fault("gateway-detached")
        self.assertEqual((self.routes()["0.0.0.0/0"], self.routes()["::/0"]), ("blackhole", "blackhole"))

    def test_a_route_to_a_deleted_nat_gateway_is_a_blackhole(self) -> None:
        self.fault("blackhole-route")
        self.assertEqual((self.routes()["0.0.0.0/0"], self.routes()["::/0"]), ("blackhole", "active"))

    def test_the_regions_prefix_lists_are_aws_owned_and_usable_in_rules(self) -> None:
        ec2 = self.client("ec2")
        name = "com.amazonaws.eu-west-1.ipv6.ec2-instance-connect"
        found = ec2.describe_managed_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": [name]}])["PrefixLists"]
        self.assertEqual([(p["OwnerId"], p["AddressFamily"]) for p in found], [("AWS", "IPv6")])
        entries = ec2.get_managed_prefix_list_entries(PrefixListId=found[0]["PrefixListId"])["Entries"]
        self.assertEqual(entries, [{"Cidr": "2a05:d018:403:4e00::/56"}])
        group = ec2.describe_security_groups(GroupIds=[self.made["sg_id"]])["SecurityGroups"][0]
        self.assertEqual(group["IpPermissions"][0]["PrefixListIds"], [{"PrefixListId": self.made["prefix_lists"]["ipv4"]}])

    def test_an_impaired_status_check_is_told(self) -> None:
        self.fault("status-check-impaired")
        status = self.client("ec2").describe_instance_status(InstanceIds=[self.id])["InstanceStatuses"][0]
        self.assertEqual((status["SystemStatus"]["Status"], status["InstanceStatus"]["Status"]), ("ok", "impaired"))
        self.assertEqual(status["InstanceStatus"]["Details"][0]["Status"], "failed")

    def test_zones_tell_their_type_and_unchosen_local_zones_are_left_out(self) -> None:
        zones = self.client("ec2").describe_availability_zones()["AvailabilityZones"]
        self.assertEqual({z["ZoneType"] for z in zones}, {"availability-zone"})
        self.assertEqual({z["NetworkBorderGroup"] for z in zones}, {"eu-west-1"})

    def test_endpoints_are_none_until_set(self) -> None:
        ec2 = self.client("ec2")
        self.assertEqual(ec2.describe_instance_connect_endpoints()["InstanceConnectEndpoints"], [])
        endpoint = {"instanceConnectEndpointId": "eice-0123456789abcdef0", "vpcId": self.made["vpc_id"], "state": "create-complete"}
        aws_case.running.ask("POST", "/region", {"region": self.region, "endpoints": [endpoint]})
        self.addCleanup(aws_case.running.ask, "POST", "/region", {"region": self.region, "endpoints": []})
        here = {"Name": "vpc-id", "Values": [self.made["vpc_id"]]}
        found = ec2.describe_instance_connect_endpoints(Filters=[here])["InstanceConnectEndpoints"]
        self.assertEqual([(e["InstanceConnectEndpointId"], e["State"]) for e in found], [("eice-0123456789abcdef0", "create-complete")])
        elsewhere = {"Name": "vpc-id", "Values": ["vpc-00000000"]}
        self.assertEqual(ec2.describe_instance_connect_endpoints(Filters=[elsewhere])["InstanceConnectEndpoints"], [])

    def test_block_public_access_is_off_until_set(self) -> None:
        ec2 = self.client("ec2")
        options = ec2.describe_vpc_block_public_access_options()["VpcBlockPublicAccessOptions"]
        self.assertEqual((options["InternetGatewayBlockMode"], options["AwsRegion"]), ("off", "eu-west-1"))
        aws_case.running.ask("POST", "/region", {"region": self.region, "public_access": {"internetGatewayBlockMode": "block-ingress"}})
        self.addCleanup(aws_case.running.ask, "POST", "/region", {"region": self.region, "public_access": {}})
        options = ec2.describe_vpc_block_public_access_options()["VpcBlockPublicAccessOptions"]
        self.assertEqual(options["InternetGatewayBlockMode"], "block-ingress")

    def test_an_operation_that_moto_lacks_is_an_aws_error(self) -> None:
        code, _, status = self.error(self.client("ec2").describe_network_insights_paths)
        self.assertEqual((code, status), ("InvalidAction", 400))

    def test_an_instance_without_public_address_has_none_left(self) -> None:
        self.fault("no-public-address")
        instance = self.instance()
        self.assertNotIn("PublicIpAddress", instance)
        self.assertNotIn("Ipv6Address", instance)

    def test_the_wrong_family_keeps_everyone_but_the_browser(self) -> None:
        self.fault("prefix-list-wrong-family")
        rule = self.client("ec2").describe_security_groups(GroupIds=[self.made["sg_id"]])["SecurityGroups"][0]["IpPermissions"][0]
        self.assertEqual(rule["PrefixListIds"], [{"PrefixListId": self.made["prefix_lists"]["ipv6"]}])
        self.assertEqual(len(rule["IpRanges"]), 2)


class LocalZone(AwsTest):
    spec = {"fault": "local-zone"}

    def test_the_zone_is_told_as_a_local_zone(self) -> None:
        zones = self.client("ec2").describe_availability_zones(ZoneNames=["us-west-2-lax-1a"])["AvailabilityZones"]
        self.assertEqual([(z["ZoneType"], z["OptInStatus"], z["ParentZoneName"]) for z in zones], [("local-zone", "opted-in", "us-west-2b")])


class SovereignCloud(AwsTest):
    spec = {"fault": "region-unsupported"}

    def test_it_has_its_own_partition_and_no_ec2_instance_connect(self) -> None:
        self.assertEqual(self.made["role_arn"].split(":")[1], "aws-eusc")
        self.assertEqual(self.made["prefix_lists"], {})
        push = self.client("ec2-instance-connect").send_ssh_public_key
        code, _, _ = self.error(push, InstanceId=self.id, InstanceOSUser="ec2-user", SSHPublicKey=KEY)
        self.assertEqual(code, "UnknownOperationException")


class Cli(AwsTest):
    def aws(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **self.made["env"], "AWS_MAX_ATTEMPTS": "1"}
        return subprocess.run([str(AWS), *arguments, "--output", "json"], env=env, capture_output=True, text=True, check=False)

    def test_the_real_cli_describes_simulates_and_is_refused(self) -> None:
        done = self.aws("ec2", "describe-instances", "--instance-ids", self.id)
        self.assertEqual(json.loads(done.stdout)["Reservations"][0]["Instances"][0]["PlatformDetails"], "Linux/UNIX", done.stderr)
        done = self.aws(
            "iam", "simulate-principal-policy", "--policy-source-arn", self.made["role_arn"], "--action-names", PUSH,
            "--context-entries", "ContextKeyName=ec2:osuser,ContextKeyValues=ec2-user,ContextKeyType=string",
            "--resource-arns", f"arn:aws:ec2:{self.region}:123456789012:instance/{self.id}",
        )  # fmt: skip
        self.assertEqual(json.loads(done.stdout)["EvaluationResults"][0]["EvalDecision"], "allowed", done.stderr)
        self.knobs(rules=[{"action": "*", "answer": "refuse"}])
        done = self.aws("ec2", "describe-route-tables")
        self.assertIn("(UnauthorizedOperation)", done.stderr)


class Scenarios(unittest.TestCase):
    def test_a_scenario_takes_at_most_half_a_second(self) -> None:
        def seconds() -> float:
            started = time.monotonic()
            made = aws_case.running.scenario(machine=False)
            took = time.monotonic() - started
            aws_case.running.ask("DELETE", f"/scenario/{made['instance_id']}")
            return took

        # The best of three: the machine has other work too.
        self.assertLess(min(seconds() for _ in range(3)), 0.5)

    def test_bad_orders_are_refused_and_say_why(self) -> None:
        for path, order, word in (
            ("/scenario", {"regoin": "eu-west-1"}, "regoin"),
            ("/fault", {"instance_id": "i-0", "name": "sg-no-rule"}, "i-0"),
            ("/aws", {"rules": [{"action": "*", "answer": "laugh"}]}, "answer"),
        ):
            status, answer = aws_case.running.try_("POST", path, order)
            self.assertIn(status, (400, 404))
            self.assertIn(word, answer["error"])

    def test_every_fault_has_a_sentence(self) -> None:
        for fault in aws_case.running.ask("GET", "/faults"):
            self.assertTrue(fault["doc"].endswith("."), fault["name"])


if __name__ == "__main__":
    unittest.main()
