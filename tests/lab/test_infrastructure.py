"""The roles that packaging/cloudformation and packaging/terraform make: held to `eic-doctor policy`, to each other, and used.

Run by `python3 tests/lab/test_infrastructure.py` after `tests/lab/setup.sh`; needs target/debug/eic-doctor. Terraform itself is in no
registry of packages: where the machine has it, it works out what the modules say, and elsewhere it is said that those tests did not run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from fnmatch import fnmatchcase
from pathlib import Path

import lab

if __name__ == "__main__":
    lab.into_environment(Path(__file__))

import hcl2

import aws_case
from aws_case import AwsTest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGING = REPOSITORY / "packaging"
PROGRAM = REPOSITORY / "target/debug/eic-doctor"
ACCOUNT = "123456789012"
COORDINATOR = f"arn:aws:iam::{ACCOUNT}:role/eic-doctor-coordinator"
BUS = f"arn:aws:events:eu-west-1:{ACCOUNT}:event-bus/default"
TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:eic-doctor"
# What only `fleet --send-to-security-hub` calls: the generated policy leaves it to the user.
SEND_FINDINGS = "SendFindings"
# Of a role, as the template's parameters and as the module's variables.
EVERYTHING = (
    {"RunsOn": "ecs", "Organization": "yes", "EventBusArn": BUS, "TopicArn": TOPIC, "SecurityHub": "yes"},
    {"runs_on": "ecs", "organization": True, "event_bus_arn": BUS, "topic_arn": TOPIC, "security_hub": True},
)
COORDINATORS = (
    EVERYTHING,
    ({"RunsOn": "ec2", "MemberRoleName": ""}, {"runs_on": "ec2", "member_role_name": None}),
    ({"RunsOn": "eks", "EksClusterName": "prod", "TopicArn": TOPIC}, {"runs_on": "eks", "eks_cluster_name": "prod", "topic_arn": TOPIC}),
)
MEMBERS = (
    ({"CoordinatorRoleArn": COORDINATOR}, {"coordinator_role_arn": COORDINATOR}),
    ({"CoordinatorRoleArn": COORDINATOR, "ExternalId": "fleet-7"}, {"coordinator_role_arn": COORDINATOR, "external_id": "fleet-7"}),
)
REFERENCE = re.compile(r"\b(var|local|data\.\w+|aws_\w+)\.(\w+)")
GIVEN = f'locals {{\n  account_id = "{ACCOUNT}"\n  partition  = "aws"\n}}\n' + "".join(
    f'output "{name}" {{\n  value = local.{name}\n}}\n' for name in ("policy", "trust")
)

with_terraform = unittest.skipUnless(shutil.which("terraform"), "this machine has no terraform")
tearDownModule = aws_case.stop


def setUpModule() -> None:
    if not shutil.which("terraform"):
        # `tests/run` says it again at its end.
        print("not run: what Terraform itself makes of packaging/terraform, which this machine does not have", file=sys.stderr)
    aws_case.start()


def printed(whom: str) -> str:
    return subprocess.run([PROGRAM, "policy", "--for", whom], check=True, capture_output=True, text=True).stdout


def plain(document: dict | str) -> list[dict]:
    """A policy's statements with every list in order, and one word in place of a list of one."""

    def ordered(value: object) -> object:
        if isinstance(value, dict):
            return {key: ordered(inner) for key, inner in sorted(value.items())}
        if isinstance(value, list):
            words = sorted(ordered(inner) for inner in value)
            return words[0] if len(words) == 1 else words
        return value

    document = json.loads(document) if isinstance(document, str) else document
    return [ordered(statement) for statement in document["Statement"]]


def words(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


class Roles(AwsTest):
    def made_by(self, template: str, parameters: dict[str, str]) -> dict:
        """The role of a stack that is made for it and gone after the test."""
        cloudformation = self.client("cloudformation")
        name = f"{template}-{self.id}"
        cloudformation.create_stack(
            StackName=name, TemplateBody=(PACKAGING / "cloudformation" / f"{template}.yaml").read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )  # fmt: skip
        self.addCleanup(cloudformation.delete_stack, StackName=name)
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        self.assertEqual(stack["StackStatus"], "CREATE_COMPLETE")
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        iam = self.client("iam")
        role = iam.get_role(RoleName=outputs["RoleArn"].rpartition("/")[2])["Role"]
        (policy,) = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]
        return {"outputs": outputs, "role": role, "trust": plain(role["AssumeRolePolicyDocument"]), "policy": plain(document)}

    def test_with_everything_switched_on_the_templates_grant_what_is_printed_and_nowhere_more(self) -> None:
        for template, parameters, whom in (("coordinator-role", EVERYTHING[0], "serve"), ("member-role", MEMBERS[0][0], "member")):
            granted = {statement["Sid"]: statement for statement in self.made_by(template, parameters)["policy"]}
            self.assertEqual(granted.pop(SEND_FINDINGS, {}).get("Action"), "securityhub:BatchImportFindings" if whom == "serve" else None)
            wanted = {statement["Sid"]: statement for statement in plain(printed(whom))}
            self.assertEqual({sid: one["Action"] for sid, one in granted.items()}, {sid: one["Action"] for sid, one in wanted.items()})
            for sid, statement in granted.items():
                self.assertEqual(set(statement), {"Sid", "Effect", "Action", "Resource"})
                for resource in words(statement["Resource"]):
                    within = [pattern for pattern in words(wanted[sid]["Resource"]) if fnmatchcase(resource, pattern)]
                    self.assertTrue(within, f"{sid} of {template} reaches {resource}, which the printed policy does not")

    def test_what_is_switched_off_is_not_granted(self) -> None:
        granted = self.made_by("coordinator-role", {"RunsOn": "ec2", "MemberRoleName": ""})
        sids = {statement["Sid"] for statement in granted["policy"]}
        self.assertEqual(sids, {"Look", "AskWhetherThePrincipalMay", "ReadPoliciesAndProfiles"})
        self.assertNotIn("organizations:ListAccounts", granted["policy"][0]["Action"])
        self.assertNotIn("EnrolmentRoleName", granted["outputs"])
        (profile,) = self.client("iam").list_instance_profiles_for_role(RoleName=granted["role"]["RoleName"])["InstanceProfiles"]
        self.assertEqual(profile["InstanceProfileName"], granted["outputs"]["InstanceProfileName"])

    def test_the_member_role_trusts_the_coordinators_role_alone_and_by_the_external_id_where_there_is_one(self) -> None:
        for (parameters, _), more in zip(MEMBERS, ({}, {"StringEquals": {"sts:ExternalId": "fleet-7"}})):
            (trust,) = self.made_by("member-role", parameters)["trust"]
            self.client("cloudformation").delete_stack(StackName=f"member-role-{self.id}")
            self.assertEqual(trust["Principal"], {"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
            self.assertEqual(trust["Condition"], {"ArnEquals": {"aws:PrincipalArn": COORDINATOR}, **more})

    def test_a_boundary_is_set_where_one_is_given(self) -> None:
        iam = self.client("iam")
        deny = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
        arn = iam.create_policy(PolicyName=f"boundary-{self.id}", PolicyDocument=deny)["Policy"]["Arn"]
        for template, parameters in (("coordinator-role", {"RunsOn": "ecs"}), ("member-role", MEMBERS[0][0])):
            role = self.made_by(template, {**parameters, "PermissionsBoundaryArn": arn})["role"]
            self.assertEqual(role["PermissionsBoundary"]["PermissionsBoundaryArn"], arn)

    def test_the_coordinators_role_enters_the_member_role_and_no_other(self) -> None:
        role = self.made_by("coordinator-role", EVERYTHING[0])["role"]
        asked = {
            "sts:AssumeRole": (f"arn:aws:iam::{ACCOUNT}:role/eic-doctor-enrolment", f"arn:aws:iam::{ACCOUNT}:role/admin"),
            "sns:Publish": (TOPIC, TOPIC + "-other"),
            "events:PutEvents": (BUS, BUS.replace("default", "other")),
        }
        for action, resources in asked.items():
            answer = self.client("iam").simulate_principal_policy(
                PolicySourceArn=role["Arn"], ActionNames=[action], ResourceArns=list(resources)
            )["EvaluationResults"][0]["ResourceSpecificResults"]
            decisions = {one["EvalResourceName"]: one["EvalResourceDecision"] for one in answer}
            self.assertEqual(decisions, dict(zip(resources, ("allowed", "implicitDeny"))), action)

    def test_with_what_the_roles_are_granted_and_nothing_else_a_fleet_is_looked_at_whole(self) -> None:
        for template, parameters in (("coordinator-role", {"RunsOn": "ecs"}), ("member-role", MEMBERS[0][0])):
            granted = [action for one in self.made_by(template, parameters)["policy"] for action in words(one["Action"])]
            # As a sweep: CloudTrail is not asked.
            self.knobs(rules=[{"action": "*", "answer": "refuse", "except": [*granted, "sts:GetCallerIdentity"]}])
            done = subprocess.run(
                [PROGRAM, "fleet", "--only", "aws", "--skip", "aws.trail", "--via", "browser", "--output", "json", "--instance-ids", self.id],
                env={**os.environ, **self.made["env"]}, capture_output=True, text=True,
            )  # fmt: skip
            self.knobs(rules=[])
            self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)
            self.assertNotIn("missing_action", done.stdout)
            self.assertIn(self.id, done.stdout)

    @with_terraform
    def test_the_modules_make_the_roles_that_the_templates_make(self) -> None:
        for kind, cases in (("coordinator", COORDINATORS), ("member", MEMBERS)):
            for parameters, variables in cases:
                with self.subTest(kind=kind, **parameters):
                    stack, module = self.made_by(f"{kind}-role", parameters), Module(self, kind).worked_out(variables)
                    self.client("cloudformation").delete_stack(StackName=f"{kind}-role-{self.id}")
                    # The module knows no Region: ECS may hand its role to tasks of the account in every one.
                    trust = json.loads(json.dumps(stack["trust"]).replace(f":ecs:{self.region}:", ":ecs:*:"))
                    self.assertEqual((stack["policy"], trust), (module["policy"], module["trust"]))


class Module:
    """What of a module needs no provider, run by Terraform in a folder of its own."""

    def __init__(self, test: unittest.TestCase, kind: str) -> None:
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name in ("variables.tf", "policy.tf", "policy.json"):
            shutil.copyfile(PACKAGING / "terraform" / kind / name, self.folder / name)
        (self.folder / "given.tf").write_text(GIVEN)
        self.run("init", "-input=false").check_returncode()

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        # Checkpoint would ask its maker for newer versions.
        environment = {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
        return subprocess.run(["terraform", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True)

    def apply(self, variables: dict) -> subprocess.CompletedProcess:
        (self.folder / "terraform.tfvars.json").write_text(json.dumps(variables))
        return self.run("apply", "-auto-approve", "-input=false", "-no-color")

    def worked_out(self, variables: dict) -> dict[str, list[dict]]:
        applied = self.apply(variables)
        if applied.returncode:
            raise AssertionError(applied.stderr)
        outputs = json.loads(self.run("output", "-json").stdout)
        return {name: plain(outputs[name]["value"]) for name in ("policy", "trust")}


class Modules(unittest.TestCase):
    def test_the_modules_carry_the_policy_as_it_is_printed(self) -> None:
        for kind, whom in (("coordinator", "serve"), ("member", "member")):
            self.assertEqual((PACKAGING / "terraform" / kind / "policy.json").read_text(), printed(whom))

    def test_what_a_module_names_it_declares_and_what_it_declares_it_names(self) -> None:
        for kind in ("coordinator", "member"):
            files = [hcl2.loads(path.read_text()) for path in sorted((PACKAGING / "terraform" / kind).glob("*.tf"))]
            declared, named = set(), set()
            for file in files:
                file.pop("__comments__", None)
                declared |= {("var", name.strip('"')) for one in file.get("variable", []) for name in one}
                declared |= {("local", name) for one in file.get("locals", []) for name in one if not name.startswith("__")}
                for prefix, key in (("", "resource"), ("data.", "data")):
                    declared |= {
                        (prefix + type_.strip('"'), name.strip('"'))
                        for one in file.get(key, []) for type_, inner in one.items() for name in inner
                    }  # fmt: skip
                variables = file.pop("variable", [])
                for one in variables:
                    for name, inner in one.items():
                        for other in REFERENCE.findall(json.dumps(inner.get("validation", []))):
                            self.assertEqual(other, ("var", name.strip('"')))
                        self.assertTrue({"description", "type"} <= set(inner), name)
                named |= set(REFERENCE.findall(json.dumps(file)))
            self.assertEqual(named - declared, set(), kind)
            # Of what is not named: the policy itself, which only gives the role its permissions.
            self.assertEqual(declared - named, {("aws_iam_role_policy", "this")}, kind)

    @with_terraform
    def test_terraform_finds_the_modules_in_its_own_form(self) -> None:
        done = subprocess.run(
            ["terraform", "fmt", "-check", "-recursive", "-diff", PACKAGING / "terraform"],
            env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull}, capture_output=True, text=True,
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    @with_terraform
    def test_a_service_account_is_trusted_by_the_issuer_of_its_cluster(self) -> None:
        issuer = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
        provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"
        (trust,) = Module(self, "coordinator").worked_out({"runs_on": "irsa", "oidc_provider_arn": provider})["trust"]
        self.assertEqual(trust["Principal"], {"Federated": provider})
        self.assertEqual(
            trust["Condition"],
            {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": "system:serviceaccount:eic-doctor:eic-doctor"}},
        )

    @with_terraform
    def test_values_that_would_open_a_role_are_refused_with_their_name(self) -> None:
        coordinator, member = Module(self, "coordinator"), Module(self, "member")
        for module, good, bad in (
            (coordinator, {"runs_on": "ecs"}, {"runs_on": "lambda"}),
            (coordinator, {"runs_on": "ecs"}, {"member_role_name": "*"}),
            (coordinator, {"runs_on": "eks", "eks_cluster_name": "a"}, {"kubernetes_namespace": "*"}),
            (coordinator, {"runs_on": "ecs"}, {"topic_arn": "*"}),
            (member, {"coordinator_role_arn": COORDINATOR}, {"coordinator_role_arn": "*"}),
            (member, {"coordinator_role_arn": COORDINATOR}, {"external_id": "*"}),
        ):
            self.assertEqual(module.apply(good).returncode, 0)
            refused = module.apply({**good, **bad})
            self.assertEqual(refused.returncode, 1)
            self.assertIn(f"{next(iter(bad))} is ", refused.stderr)


class Templates(unittest.TestCase):
    def test_cfn_lint_has_nothing_to_say(self) -> None:
        templates = [*sorted(PACKAGING.glob("cloudformation/*.yaml")), PACKAGING / "ecs/coordinator.yaml"]
        self.assertEqual(len(templates), 3)
        done = subprocess.run(
            [Path(sys.prefix) / "bin/cfn-lint", "--include-checks", "I", "--format", "json", *templates], capture_output=True, text=True
        )
        self.assertEqual((done.returncode, json.loads(done.stdout)), (0, []), done.stderr)


if __name__ == "__main__":
    unittest.main()
