"""IAM's simulator, Systems Manager, EC2 Instance Connect and the knobs as the lab answers; no machine is booted.

Run by `python3 tests/lab/test_aws_services.py` after `tests/lab/setup.sh`.
"""

from __future__ import annotations

import json
import time
import unittest
from pathlib import Path

import lab

if __name__ == "__main__":
    lab.into_environment(Path(__file__))

import aws_case
from aws_case import KEY, PUSH, AwsTest

setUpModule, tearDownModule = aws_case.start, aws_case.stop


class SecurityHub(AwsTest):
    def finding(self, **changes) -> dict:
        arn = f"arn:aws:securityhub:{self.region}:123456789012:product/123456789012/default"
        resource = {"Type": "AwsEc2Instance", "Id": f"arn:aws:ec2:{self.region}:123456789012:instance/{self.id}"}
        finding = {
            "SchemaVersion": "2018-10-08", "Id": self.id, "ProductArn": arn, "GeneratorId": "g", "AwsAccountId": "123456789012",
            "CreatedAt": "2026-11-28T06:00:00Z", "UpdatedAt": "2026-11-28T06:00:00Z", "Title": "t", "Description": "d",
            "Severity": {"Label": "LOW"}, "Resources": [resource],
        }
        return {**finding, **changes}

    def test_each_finding_is_taken_or_refused_by_itself(self) -> None:
        hub = self.client("securityhub")
        findings = [self.finding(), self.finding(Id="long", Title="x" * 257), self.finding(Id="other", AwsAccountId="999999999999")]
        answer = hub.batch_import_findings(Findings=findings)
        self.assertEqual((answer["SuccessCount"], [one["Id"] for one in answer["FailedFindings"]]), (1, ["long", "other"]))
        kept = [one for one in hub.get_findings()["Findings"] if one["Id"] == self.id]
        self.assertEqual([one["Title"] for one in kept], ["t"])

    def test_a_batch_of_more_than_a_hundred_is_refused(self) -> None:
        hub = self.client("securityhub")
        with self.assertRaises(hub.exceptions.InvalidInputException):
            hub.batch_import_findings(Findings=[self.finding(Id=str(number)) for number in range(101)])


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
            aws_case.running.ask("POST", f"/instance/{self.id}/node", {"command_outcome": outcome})
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
        self.assertEqual((event["requestParameters"]["instanceId"], event["requestParameters"]["instanceOSUser"]), (self.id, "ec2-user"))
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
        calls = aws_case.running.ask("GET", f"/aws/calls?access_key={self.made['access_key']}")
        self.assertEqual([(c["service"], c["operation"], c["region"], c["status"]) for c in calls],
                         [("ec2", "DescribeVpcs", "eu-west-1", 200), ("iam", "ListRoles", "eu-west-1", 500)])  # fmt: skip
        self.assertGreaterEqual(calls[0]["ms"], 200)
        aws_case.running.ask("DELETE", f"/aws/calls?access_key={self.made['access_key']}")
        self.assertEqual(aws_case.running.ask("GET", f"/aws/calls?access_key={self.made['access_key']}"), [])

    def test_one_keys_knobs_leave_another_key_alone(self) -> None:
        self.knobs(rules=[{"action": "*", "answer": "refuse"}])
        other = {"access_key": "AKIA0000000000000000", "secret_key": "lab"}
        self.assertTrue(self.client("ec2", other).describe_vpcs()["Vpcs"])


if __name__ == "__main__":
    unittest.main()
