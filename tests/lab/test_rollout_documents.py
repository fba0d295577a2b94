"""The files of packaging/rollout as their own tools read them, or as the rules say that their services publish."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Iterator

import boto3
import hcl2
import moto
import yaml

from image_builder import ACTIONS, REFERENCE, Component
from ssm_document import Document
from test_footprint import REPOSITORY

ROLLOUT = REPOSITORY / "packaging/rollout"
COMPONENT = Component(ROLLOUT / "image-builder/component.yaml")
DOCUMENTS = {path.stem: Document(path) for path in (ROLLOUT / "ssm/set-up.yaml", ROLLOUT / "ssm/check.yaml")}

METADATA_OPTIONS = re.compile(r"  metadata_options \{\n.*?\n  \}\n\n", re.DOTALL)
USER_DATA = yaml.safe_load((ROLLOUT / "user-data.yaml").read_text(encoding="utf-8"))


def scripts() -> Iterator[tuple[str, str, str]]:
    """All shell in these files: where it stands, for which shell, and its text."""
    for path in sorted(ROLLOUT.rglob("*")):
        if path.is_file() and (text := path.read_text(encoding="utf-8")).startswith("#!"):
            yield str(path), "sh", text
    for file in USER_DATA["write_files"]:
        if "set -eu" in file["content"]:
            yield file["path"], "sh", file["content"]
    for phase, steps in COMPONENT.phases.items():
        for step in steps:
            if step["action"] == "ExecuteBash":
                yield f"{phase}.{step['name']}", "bash", "\n".join(step["inputs"]["commands"])
    for name, document in DOCUMENTS.items():
        for step in document.document["mainSteps"]:
            if step["action"] == "aws:runShellScript":
                yield f"{name}.{step['name']}", "sh", "\n".join(step["inputs"]["runCommand"])


def packer(folder: str, command: str, variables: dict[str, str], *options: str) -> tuple[int, str]:
    """Its exit code, and what it says."""
    given = [word for name, value in variables.items() for word in ("-var", f"{name}={value}")]
    # Else it asks its maker whether there is a newer one.
    environment = {**os.environ, "HOME": folder, "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(["packer", command, *options, *given, "."], cwd=folder, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stdout + done.stderr


class Documents(unittest.TestCase):
    def test_shellcheck_finds_nothing_in_any_script(self) -> None:
        found = list(scripts())
        self.assertGreater(len(found), 8)
        for where, shell, text in found:
            done = subprocess.run(["shellcheck", f"--shell={shell}", "-"], input=text, text=True, capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (0, ""), where)
            self.assertIsNone(re.search(r"(curl|wget)[^\n]*[|]", text), where)

    def test_the_component_is_as_the_user_guide_says(self) -> None:
        document = COMPONENT.document
        self.assertLessEqual(document.keys(), {"name", "description", "schemaVersion", "parameters", "phases"})
        self.assertEqual(str(document["schemaVersion"]), "1.0")
        self.assertEqual([phase["name"] for phase in document["phases"]], ["build", "validate", "test"])
        for name, told in COMPONENT.parameters.items():
            self.assertRegex(name, r"\A[A-Za-z0-9_-]{3,128}\Z")
            self.assertEqual(told["type"], "string")
            self.assertLessEqual(told.keys(), {"type", "default", "description"})
        named = set()
        for phase, steps in COMPONENT.phases.items():
            self.assertEqual(len({step["name"] for step in steps}), len(steps), phase)
            for step in steps:
                self.assertLessEqual(step.keys(), {"name", "action", "timeoutSeconds", "onFailure", "maxAttempts", "inputs"})
                self.assertIn(step["action"], ACTIONS)
                references = REFERENCE.findall(str(step["inputs"]))
                named.update(references)
                if step["action"] == "ExecuteBash":
                    self.assertEqual(references, [], "a value would be a part of the shell's text")
        self.assertEqual(named, COMPONENT.parameters.keys())

    def test_the_documents_of_systems_manager_are_as_its_user_guide_says(self) -> None:
        for document in DOCUMENTS.values():
            self.assertEqual(document.document.keys(), {"schemaVersion", "description", "parameters", "mainSteps"})
            self.assertEqual(document.document["schemaVersion"], "2.2")
            for name, told in document.parameters.items():
                self.assertRegex(name, r"\A[A-Za-z0-9]+\Z")
                self.assertEqual(told["type"], "String")
                self.assertLessEqual(told.keys(), {"type", "description", "default", "allowedPattern", "allowedValues", "interpolationType"})
                self.assertEqual(len(told.keys() & {"allowedPattern", "allowedValues"}), 1, name)
                # Unanchored, a pattern lets through whatever has something good in it.
                self.assertRegex(told.get("allowedPattern", "^$"), r"\A\^.*\$\Z")
            steps = document.document["mainSteps"]
            self.assertEqual(len({step["name"] for step in steps}), len(steps))
            for step in steps:
                self.assertEqual(step.keys(), {"action", "name", "precondition", "inputs"})
                self.assertEqual(step["precondition"], {"StringEquals": ["platformType", "Linux"]})
            self.assertEqual(set(REFERENCE.findall(str(steps))), document.parameters.keys())

    def test_a_value_stands_in_shell_only_where_an_old_ssm_agent_needs_it(self) -> None:
        for document in DOCUMENTS.values():
            for step in document.document["mainSteps"]:
                for line in "\n".join(step["inputs"].get("runCommand", [])).splitlines():
                    for name in REFERENCE.findall(line):
                        self.assertEqual(line, f'[ -n "${{SSM_{name}+x}}" ] || SSM_{name}="{{{{ {name} }}}}"')
                        self.assertEqual(document.parameters[name]["interpolationType"], "ENV_VAR")

    def test_the_documents_can_be_created(self) -> None:
        with moto.mock_aws():
            client = boto3.client("ssm", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
            for name, document in DOCUMENTS.items():
                content = (ROLLOUT / f"ssm/{name}.yaml").read_text(encoding="utf-8")
                made = client.create_document(Name=f"eic-doctor-agent-{name}", DocumentType="Command", DocumentFormat="YAML", Content=content)
                self.assertEqual({one["Name"] for one in made["DocumentDescription"]["Parameters"]}, document.parameters.keys())

    def test_cfn_lint_finds_nothing_in_the_association(self) -> None:
        template = ROLLOUT / "ssm/association.yaml"
        done = subprocess.run([Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "--", template], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        given = re.findall(r"^        (\w+): \[!Ref (\w+)\]$", template.read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual({document for document, _ in given} - DOCUMENTS["check"].parameters.keys(), set())

    def test_packer_takes_the_template_and_refuses_what_cannot_be(self) -> None:
        given = {
            "region": "eu-west-1", "source_ami": "ami-0123456789abcdef0", "package": "agent.rpm", "package_sha256": "0" * 64,
            "coordinator": "coordinator.example.com", "authorities": "for-agents.pem",
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            # The Packer of Debian 12 has Amazon's builders built in: it knows no plugins that could be asked for, nor what came to the
            # builders since.
            shutil.copy(ROLLOUT / "packer/provision", folder)
            text = (ROLLOUT / "packer/agent.pkr.hcl").read_text(encoding="utf-8")
            (Path(folder) / "agent.pkr.hcl").write_text(METADATA_OPTIONS.sub("", text, count=1))
            for name in (given["package"], given["authorities"]):
                (Path(folder) / name).touch()
            self.assertEqual(packer(folder, "validate", given), (0, ""))
            self.assertEqual(packer(folder, "fmt", {}, "-check"), (0, ""))
            for wrong in ({"start": "always"}, {"package_sha256": "$(touch /root/owned)"}, {"authorities": "none.pem"}, {"source_ami": ""}):
                status, said = packer(folder, "validate", given | wrong)
                self.assertEqual(status, 1, wrong)
                self.assertTrue(any(word in said for word in wrong) or any(value and value in said for value in wrong.values()), said)
        # Of the whole, with what only newer ones know, at least the syntax.
        for name in ("agent.pkr.hcl", "plugins.pkr.hcl"):
            hcl2.loads((ROLLOUT / "packer" / name).read_text(encoding="utf-8"))

    def test_cloud_init_takes_the_user_data(self) -> None:
        cache = Path(os.environ.get("EIC_LAB_CACHE", "/var/cache/eic-doctor-lab"))
        environment = {**os.environ, "PYTHONPATH": str(cache / "cloud-init")}
        command = [sys.executable, "-B", "-m", "cloudinit.cmd.main", "schema", "--config-file", ROLLOUT / "user-data.yaml"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Valid cloud-config", done.stdout)

    def test_distributor_gets_the_same_archives_of_the_same_packages_for_every_architecture(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            packages = Path(folder) / "packages"
            packages.mkdir()
            for name in ("eic-doctor-agent_1.2.3-1_amd64.deb", "eic-doctor-agent_1.2.3-1_arm64.deb", "eic-doctor-agent-1.2.3-1.aarch64.rpm", "eic-doctor_1.2.3-1_amd64.deb"):
                (packages / name).write_text(name)
            made = []
            for to in (Path(folder) / "one", Path(folder) / "two"):
                subprocess.run([REPOSITORY / "packaging/build-distributor", "--packages", packages, "--to", to], check=True, capture_output=True)
                made.append({path.name: path.read_bytes() for path in to.iterdir()})
            self.assertEqual(made[0], made[1])
            manifest = json.loads(made[0].pop("manifest.json"))
            self.assertEqual((manifest["schemaVersion"], manifest["version"]), ("2.0", "1.2.3-1"))
            self.assertEqual(manifest["files"].keys(), made[0].keys())
            self.assertEqual(manifest["packages"]["debian"]["_any"].keys(), {"x86_64", "arm64"})
            self.assertEqual(manifest["packages"]["amazon"]["_any"], {"arm64": {"file": "eic-doctor-agent-1.2.3-1.aarch64.rpm.zip"}})
            (packages / "eic-doctor-agent_1.2.4-1_amd64.deb").write_text("")
            mixed = subprocess.run([REPOSITORY / "packaging/build-distributor", "--packages", packages, "--to", folder], capture_output=True, text=True, check=False)
            self.assertEqual(mixed.returncode, 1)
            self.assertIn("where one is wanted: ['1.2.3-1', '1.2.4-1']", mixed.stderr)


if __name__ == "__main__":
    unittest.main()
