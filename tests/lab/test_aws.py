"""AWS's APIs as the lab answers them, asked by boto3 and by the real AWS CLI; no machine is booted.

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

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from running import RunningLab

AWS = Path(sys.prefix) / "bin" / "aws"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkw lab"
PUSH = "ec2-instance-connect:SendSSHPublicKey"
running: RunningLab


def setUpModule() -> None:
    global running
    running = RunningLab("--no-machines")


def tearDownModule() -> None:
    running.stop()


class AwsTest(unittest.TestCase):
    """Each test has a scenario of its own, and with it an access key of its own."""

    spec: dict = {}

    def setUp(self) -> None:
        self.made = running.scenario(machine=False, **self.spec)
        self.id, self.region = self.made["instance_id"], self.made["region"]

    def tearDown(self) -> None:
        running.ask("DELETE", f"/scenario/{self.id}")

    def client(self, service: str, credentials: dict | None = None):
        env = self.made["env"]
        keys = credentials or {"access_key": env["AWS_ACCESS_KEY_ID"], "secret_key": env["AWS_SECRET_ACCESS_KEY"]}
        return boto3.client(
            service, region_name=self.region, endpoint_url=running.endpoint, config=Config(retries={"total_max_attempts": 1}),
            aws_access_key_id=keys["access_key"], aws_secret_access_key=keys["secret_key"],
            aws_session_token=keys.get("session_token"),
        )

    def knobs(self, **settings) -> None:
        running.ask("POST", "/aws", {"access_key": self.made["access_key"], **settings})

    def fault(self, name: str) -> None:
        running.ask("POST", "/fault", {"instance_id": self.id, "name": name})

    def error(self, call, *args, **kwargs) -> tuple[str, str, int]:
        with self.assertRaises(ClientError) as caught:
            call(*args, **kwargs)
        answer = caught.exception.response
        return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


class Ec2(AwsTest):
    def instance(self) -> dict:
        return self.client("ec2").describe_instances(InstanceIds=[self.id])["Reservations"][0]["Instances"][0]

    def test_an_instance_looks_as_ec2_describes_one(self) -> None:
        instance = self.instance()
        self.assertEqual(instance["PlatformDetails"], "Linux/UNIX")
        self.assertNotIn("Platform", instance)
        self.assertEqual(instance["Ipv6Address"], self.made["ipv6_address"])
        self.assertEqual(instance["PublicIpAddress"], self.made["public_ip"])
        self.assertEqual(instance["SecurityGroups"], [{"GroupId": self.made["sg_id"], "GroupName": "ssh"}])
        self.assertEqual(instance["Tags"], [{"Key": "Name", "Value": "web-1"}])

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
        running.ask("POST", "/region", {"region": self.region, "endpoints": [endpoint]})
        self.addCleanup(running.ask, "POST", "/region", {"region": self.region, "endpoints": []})
        here = {"Name": "vpc-id", "Values": [self.made["vpc_id"]]}
        found = ec2.describe_instance_connect_endpoints(Filters=[here])["InstanceConnectEndpoints"]
        self.assertEqual([(e["InstanceConnectEndpointId"], e["State"]) for e in found], [("eice-0123456789abcdef0", "create-complete")])
        elsewhere = {"Name": "vpc-id", "Values": ["vpc-00000000"]}
        self.assertEqual(ec2.describe_instance_connect_endpoints(Filters=[elsewhere])["InstanceConnectEndpoints"], [])

    def test_block_public_access_is_off_until_set(self) -> None:
        ec2 = self.client("ec2")
        options = ec2.describe_vpc_block_public_access_options()["VpcBlockPublicAccessOptions"]
        self.assertEqual((options["InternetGatewayBlockMode"], options["AwsRegion"]), ("off", "eu-west-1"))
        running.ask("POST", "/region", {"region": self.region, "public_access": {"internetGatewayBlockMode": "block-ingress"}})
        self.addCleanup(running.ask, "POST", "/region", {"region": self.region, "public_access": {}})
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


class Simulator(AwsTest):
    def simulate(self, **changes) -> dict:
        question = {
            "PolicySourceArn": self.made["role_arn"], "ActionNames": [PUSH],
            "ResourceArns": [f"arn:aws:ec2:{self.region}:123456789012:instance/{self.id}"],
            "ContextEntries": [{"ContextKeyName": "ec2:osuser", "ContextKeyValues": ["ec2-user"], "ContextKeyType": "string"}],
        }
        return self.client("iam").simulate_principal_policy(**{**question, **changes})["EvaluationResults"][0]

    def decision(self, **changes) -> str:
        return self.simulate(**changes)["ResourceSpecificResults"][0]["EvalResourceDecision"]

    def test_the_shape_since_july_2026_has_the_verdict_per_resource(self) -> None:
        result = self.simulate()
        self.assertEqual(result["EvalResourceName"], "arn:${Partition}:ec2:${Region}:${Account}:instance/${InstanceId}")
        per_resource = result["ResourceSpecificResults"][0]
        self.assertEqual((result["EvalDecision"], per_resource["EvalResourceDecision"]), ("allowed", "allowed"))
        self.assertTrue(per_resource["EvalResourceName"].endswith(self.id))
        statement = per_resource["MatchedStatements"][0]
        self.assertEqual(statement["SourcePolicyId"], f"role_{self.made['role_name']}_connect")
        self.assertEqual(statement["StartPosition"], {"Line": 4, "Column": 5})

    def test_the_shape_before_has_one_result_per_resource(self) -> None:
        self.knobs(simulate_shape="before")
        result = self.simulate()
        self.assertNotIn("ResourceSpecificResults", result)
        self.assertTrue(result["EvalResourceName"].endswith(self.id))
        self.assertEqual(result["EvalDecision"], "allowed")

    def test_the_most_restrictive_resource_makes_the_top_level(self) -> None:
        arn = f"arn:aws:ec2:{self.region}:123456789012:instance/"
        result = self.simulate(ResourceArns=[arn + self.id, arn + "i-0123456789abcdef0"])
        self.assertEqual(result["EvalDecision"], "implicitDeny")
        self.assertEqual([r["EvalResourceDecision"] for r in result["ResourceSpecificResults"]], ["allowed", "implicitDeny"])

    def test_a_key_that_was_not_given_is_named(self) -> None:
        result = self.simulate(ContextEntries=[])
        self.assertEqual((result["EvalDecision"], result["MissingContextValues"]), ("implicitDeny", ["ec2:osuser"]))

    def test_each_iam_fault_has_its_decision(self) -> None:
        self.fault("iam-osuser-mismatch")
        self.assertEqual(self.decision(), "implicitDeny")
        self.fault("iam-implicit-deny")
        self.assertEqual(self.decision(), "implicitDeny")
        self.fault("iam-explicit-deny")
        self.assertEqual(self.decision(), "explicitDeny")

    def test_a_boundary_narrows_and_is_told(self) -> None:
        iam = self.client("iam")
        document = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
        policy = iam.create_policy(PolicyName=f"boundary-{self.id}", PolicyDocument=document)["Policy"]["Arn"]
        iam.put_role_permissions_boundary(RoleName=self.made["role_name"], PermissionsBoundary=policy)
        result = self.simulate()
        self.assertEqual(result["EvalDecision"], "implicitDeny")
        self.assertEqual(result["PermissionsBoundaryDecisionDetail"], {"AllowedByPermissionsBoundary": False})

    def test_a_users_groups_count_with_their_managed_policies(self) -> None:
        iam, name = self.client("iam"), f"bob-{self.id}"
        document = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": PUSH, "Resource": "*"}})
        policy = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
        user = iam.create_user(UserName=name)["User"]["Arn"]
        self.assertEqual(self.decision(PolicySourceArn=user), "implicitDeny")
        iam.create_group(GroupName=name)
        iam.attach_group_policy(GroupName=name, PolicyArn=policy)
        iam.add_user_to_group(GroupName=name, UserName=name)
        self.assertEqual(self.decision(PolicySourceArn=user), "allowed")

    def test_assumed_roles_and_unknown_principals_are_refused_as_iam_does(self) -> None:
        call = self.client("iam").simulate_principal_policy
        arn = f"arn:aws:sts::123456789012:assumed-role/{self.made['role_name']}/alice"
        self.assertEqual(self.error(call, PolicySourceArn=arn, ActionNames=[PUSH])[0], "InvalidInput")
        # Without its path the role's ARN is another one.
        arn = f"arn:aws:iam::123456789012:role/{self.made['role_name']}"
        self.assertEqual(self.error(call, PolicySourceArn=arn, ActionNames=[PUSH])[::2], ("NoSuchEntity", 404))

    def test_context_keys_of_a_principals_policies_are_listed(self) -> None:
        keys = self.client("iam").get_context_keys_for_principal_policy(PolicySourceArn=self.made["role_arn"])
        self.assertEqual(keys["ContextKeyNames"], ["ec2:osuser"])


class Ssm(AwsTest):
    def information(self) -> list[dict]:
        only = {"Key": "InstanceIds", "Values": [self.id]}
        return self.client("ssm").describe_instance_information(Filters=[only])["InstanceInformationList"]

    def send(self, **changes) -> str:
        order = {"InstanceIds": [self.id], "DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}}
        return self.client("ssm").send_command(**{**order, **changes})["Command"]["CommandId"]

    def invocation(self, command_id: str) -> dict:
        """Asked until it is final; the first question comes too soon, as with AWS."""
        ssm, question = self.client("ssm"), {"CommandId": command_id, "InstanceId": self.id}
        self.assertEqual(self.error(ssm.get_command_invocation, **question)[0], "InvocationDoesNotExist")
        end = time.monotonic() + 10
        while (answer := ssm.get_command_invocation(**question))["Status"] in ("Pending", "InProgress"):
            self.assertLess(time.monotonic(), end)
        return answer

    def test_a_managed_node_is_described_and_an_unmanaged_one_is_not(self) -> None:
        node = self.information()[0]
        self.assertEqual((node["PingStatus"], node["PlatformName"], node["PlatformVersion"]), ("Online", "Ubuntu", "22.04"))
        self.fault("ssm-connection-lost")
        self.assertEqual(self.information()[0]["PingStatus"], "ConnectionLost")
        self.fault("ssm-unmanaged")
        self.assertEqual(self.information(), [])
        code, message, _ = self.error(self.send)
        self.assertEqual(code, "InvalidInstanceId")
        self.assertIn(self.id, message)

    def test_an_outcome_can_be_asked_for(self) -> None:
        expected = {
            "Undeliverable": ("Failed", "Undeliverable", -1), "ExecutionTimedOut": ("TimedOut", "ExecutionTimedOut", 137),
            "DeliveryTimedOut": ("TimedOut", "DeliveryTimedOut", -1), "Failed": ("Failed", "Failed", 1),
        }
        for outcome, told in expected.items():
            running.ask("POST", f"/instance/{self.id}/node", {"command_outcome": outcome})
            answer = self.invocation(self.send())
            self.assertEqual((answer["Status"], answer["StatusDetails"], answer["ResponseCode"]), told)

    def test_a_document_or_parameter_that_is_not_there_is_refused(self) -> None:
        self.assertEqual(self.error(self.send, DocumentName="AWS-Other")[0], "InvalidDocument")
        self.assertEqual(self.error(self.send, Parameters={"command": ["true"]})[0], "InvalidParameters")


class InstanceConnect(AwsTest):
    def push(self, credentials: dict | None = None, **changes) -> dict:
        order = {"InstanceId": self.id, "InstanceOSUser": "ec2-user", "SSHPublicKey": KEY, **changes}
        return self.client("ec2-instance-connect", credentials).send_ssh_public_key(**order)

    def test_a_push_succeeds_and_is_in_the_event_history(self) -> None:
        self.assertTrue(self.push()["Success"])
        event = self.events()[0]
        self.assertEqual((event["requestParameters"]["instanceId"], event["requestParameters"]["osUser"]), (self.id, "ec2-user"))
        self.assertNotIn("errorCode", event)

    def events(self) -> list[dict]:
        found = self.client("cloudtrail").lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "SendSSHPublicKey"}])
        return [json.loads(event["CloudTrailEvent"]) for event in found["Events"]]

    def test_the_connector_may_push_for_its_user_only(self) -> None:
        connector = self.made["connector_credentials"]
        self.assertTrue(self.push(connector)["Success"])
        code, message, _ = self.error(self.push, connector, InstanceOSUser="root")
        self.assertEqual(code, "AccessDeniedException")
        self.assertIn(f"assumed-role/{self.made['role_name']}/alice is not authorized to perform: {PUSH}", message)
        self.assertEqual(self.events()[0]["errorCode"], "AccessDenied")

    def test_refusals_have_the_services_names(self) -> None:
        self.assertEqual(self.error(self.push, InstanceId="i-0123456789abcdef0")[0], "EC2InstanceNotFoundException")
        self.assertEqual(self.error(self.push, InstanceOSUser="DOMAIN\\user")[0], "InvalidArgsException")
        self.assertEqual(self.error(self.push, SSHPublicKey="ecdsa-sha2-nistp256 " + "A" * 90)[0], "InvalidArgsException")
        self.fault("instance-stopped")
        self.assertEqual(self.error(self.push)[0], "EC2InstanceStateInvalidException")


class Knobs(AwsTest):
    def test_everything_but_one_operation_is_refused_in_each_services_words(self) -> None:
        self.knobs(rules=[{"action": "*", "except": ["ec2:DescribeInstances"], "answer": "refuse"}])
        self.assertTrue(self.client("ec2").describe_instances(InstanceIds=[self.id])["Reservations"])
        self.assertTrue(self.client("sts").get_caller_identity()["Arn"].endswith(":user/operator"))
        code, message, status = self.error(self.client("ec2").describe_vpcs)
        self.assertEqual((code, status), ("UnauthorizedOperation", 403))
        self.assertIn("user/operator is not authorized to perform: ec2:DescribeVpcs", message)
        code, message, status = self.error(self.client("iam").list_roles)
        self.assertEqual((code, status), ("AccessDenied", 403))
        code, message, status = self.error(self.client("ssm").describe_instance_information)
        self.assertEqual((code, status), ("AccessDeniedException", 400))
        self.assertIn("ssm:DescribeInstanceInformation", message)

    def test_a_throttle_ends_after_so_many_calls(self) -> None:
        self.knobs(rules=[{"action": "ec2:*", "answer": "throttle", "times": 2}, {"action": "ssm:*", "answer": "throttle"}])
        ec2 = self.client("ec2")
        self.assertEqual([self.error(ec2.describe_vpcs)[0] for _ in range(2)], ["RequestLimitExceeded"] * 2)
        self.assertTrue(ec2.describe_vpcs()["Vpcs"])
        self.assertEqual(self.error(self.client("ssm").describe_instance_information)[0], "ThrottlingException")

    def test_calls_can_be_delayed_or_fail_and_are_logged(self) -> None:
        self.knobs(rules=[{"action": "ec2:DescribeVpcs", "answer": "delay", "ms": 200}, {"action": "iam:*", "answer": "http-500"}])
        self.client("ec2").describe_vpcs()
        self.assertEqual(self.error(self.client("iam").list_roles)[2], 500)
        calls = running.ask("GET", f"/aws/calls?access_key={self.made['access_key']}")
        self.assertEqual([(c["service"], c["operation"], c["region"], c["status"]) for c in calls],
                         [("ec2", "DescribeVpcs", "eu-west-1", 200), ("iam", "ListRoles", "eu-west-1", 500)])  # fmt: skip
        self.assertGreaterEqual(calls[0]["ms"], 200)
        running.ask("DELETE", f"/aws/calls?access_key={self.made['access_key']}")
        self.assertEqual(running.ask("GET", f"/aws/calls?access_key={self.made['access_key']}"), [])

    def test_one_keys_knobs_leave_another_key_alone(self) -> None:
        self.knobs(rules=[{"action": "*", "answer": "refuse"}])
        other = {"access_key": "AKIA0000000000000000", "secret_key": "lab"}
        self.assertTrue(self.client("ec2", other).describe_vpcs()["Vpcs"])


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
        started = time.monotonic()
        made = running.scenario(machine=False)
        took = time.monotonic() - started
        running.ask("DELETE", f"/scenario/{made['instance_id']}")
        self.assertLess(took, 0.5)

    def test_bad_orders_are_refused_and_say_why(self) -> None:
        for path, order, word in (
            ("/scenario", {"regoin": "eu-west-1"}, "regoin"),
            ("/fault", {"instance_id": "i-0", "name": "sg-no-rule"}, "i-0"),
            ("/aws", {"rules": [{"action": "*", "answer": "laugh"}]}, "answer"),
        ):
            status, answer = running.try_("POST", path, order)
            self.assertIn(status, (400, 404))
            self.assertIn(word, answer["error"])

    def test_every_fault_has_a_sentence(self) -> None:
        for fault in running.ask("GET", "/faults"):
            self.assertTrue(fault["doc"].endswith("."), fault["name"])


if __name__ == "__main__":
    unittest.main()
