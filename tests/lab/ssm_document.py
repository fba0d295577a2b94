"""Runs a Command document on an instance of the lab as the SSM Agent does it there, before and after it knew `interpolationType`.

From the user guide's pages on document syntax and plugins, and the SSM Agent's own `configurepackage`: a value that is not as declared is
refused before anything runs; then the steps, of which the first that fails ends the command. Not: StringList and other types of parameters.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import yaml

from image_builder import StepFailed, substituted
from machine import Machine

# Where the SSM Agent unpacks what Distributor has.
PACKAGES = "/var/lib/amazon/ssm/packages"
# What the SSM Agent calls the lab's platforms.
PLATFORMS = {"debian": "debian", "al2023": "amazon"}


class Refused(Exception):
    """By Systems Manager, before any instance hears of it."""


class Document:
    def __init__(self, path: Path) -> None:
        self.document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.parameters: dict[str, dict[str, Any]] = self.document["parameters"]

    def accept(self, given: dict[str, str]) -> dict[str, str]:
        """All values, or Refused."""
        values = {name: told["default"] for name, told in self.parameters.items() if "default" in told} | given
        if values.keys() != self.parameters.keys():
            raise Refused(f"parameters that are not as declared: {sorted(values.keys() ^ self.parameters.keys())}")
        for name, value in values.items():
            told = self.parameters[name]
            if "allowedValues" in told and value not in told["allowedValues"]:
                raise Refused(f"{name} is none of its allowed values")
            if "allowedPattern" in told and re.search(told["allowedPattern"], value) is None:
                raise Refused(f"{name} is not of its allowed pattern")
        return values

    def run(self, machine: Machine, values: dict[str, str], distributor: Path | None = None, variables: bool = True) -> str:
        """What its scripts print. `variables`: whether the SSM Agent is one that makes environment variables of values."""
        made = {name for name, told in self.parameters.items() if variables and told.get("interpolationType") == "ENV_VAR"}
        # Of the newer agent's text only the variables count, so that a value in the text is seen as a fault.
        texts = {name: f"NOT-A-VALUE-{name}" if name in made else value for name, value in values.items()}
        environment = [f"SSM_{name}={values[name]}" for name in made]
        printed = []
        for step in self.document["mainSteps"]:
            inputs = substituted(step["inputs"], texts)
            match step["action"]:
                case "aws:configurePackage":
                    printed.append(configure_package(machine, step["name"], inputs, distributor))
                case "aws:runShellScript":
                    printed.append(shell(machine, step["name"], "\n".join(inputs["runCommand"]), environment))
        return "".join(printed)


def configure_package(machine: Machine, step: str, inputs: dict[str, str], distributor: Path) -> str:
    """Installs, or updates in place what another run of it installed."""
    manifest = json.loads((distributor / "manifest.json").read_text())
    archive = distributor / manifest["packages"][PLATFORMS[machine.spec.platform]]["_any"]["x86_64"]["file"]
    if hashlib.sha256(archive.read_bytes()).hexdigest() != manifest["files"][archive.name]["checksums"]["sha256"]:
        raise StepFailed(step, "the archive is not what the manifest says")
    folder = f"{PACKAGES}/{inputs['name']}"
    version = f"{folder}/{manifest['version']}"
    action = "install" if machine.exec(["test", "-d", folder]).returncode != 0 else "update"
    with zipfile.ZipFile(archive) as unpacked:
        for name in unpacked.namelist():
            done = machine.exec(["install", "-D", "-m", "0644", "/dev/stdin", f"{version}/{name}"], unpacked.read(name))
            assert done.returncode == 0, done.stderr
    return shell(machine, step, f"cd {version}\nsh {action}.sh", [])


def shell(machine: Machine, step: str, script: str, environment: list[str]) -> str:
    done = machine.exec(["env", *environment, "sh", "-c", script])
    output = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode != 0:
        raise StepFailed(step, output)
    return output
