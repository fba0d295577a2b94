"""Runs an Image Builder component on an instance of the lab as AWS's Task Orchestrator and Executor does it there.

From the user guide's pages on component documents: a parameter's value is put into the text of a step's inputs, phases and steps run in
their order, the first step that fails ends the run, and the commands of ExecuteBash are one file for bash. Not: chaining, loops, conditions.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from machine import Machine

REFERENCE = re.compile(r"\{\{\s*([A-Za-z0-9_-]+)\s*\}\}")
ACTIONS = {"CreateFile", "ExecuteBash", "S3Download"}


class StepFailed(Exception):
    def __init__(self, step: str, output: str) -> None:
        super().__init__(f"{step}: {output}")
        self.step = step
        self.output = output


class Component:
    def __init__(self, path: Path) -> None:
        self.document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.parameters = {name: told for one in self.document["parameters"] for name, told in one.items()}
        self.phases = {phase["name"]: phase["steps"] for phase in self.document["phases"]}

    def run(self, machine: Machine, phase: str, given: dict[str, str], bucket: dict[str, Path]) -> str:
        """What all of its steps print. `bucket`: what S3 has, by URI."""
        values = {name: told["default"] for name, told in self.parameters.items() if "default" in told} | given
        if values.keys() != self.parameters.keys():
            raise ValueError(f"parameters that are not as declared: {sorted(values.keys() ^ self.parameters.keys())}")
        printed = []
        for step in self.phases[phase]:
            inputs = substituted(step["inputs"], values)
            match step["action"]:
                case "ExecuteBash":
                    printed.append(self._bash(machine, step["name"], "\n".join(inputs["commands"])))
                case "CreateFile":
                    for file in inputs:
                        write(machine, file["path"], file["content"].encode())
                case "S3Download":
                    for file in inputs:
                        machine.install_file(bucket[file["source"]], file["destination"], 0o644)
        return "".join(printed)

    def _bash(self, machine: Machine, step: str, script: str) -> str:
        write(machine, "/tmp/input.sh", script.encode())
        done = machine.exec(["bash", "/tmp/input.sh"])
        output = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode != 0:
            raise StepFailed(step, output)
        return output


def write(machine: Machine, path: str, content: bytes) -> None:
    done = machine.exec(["sh", "-c", 'cat >"$0"', path], content)
    if done.returncode != 0:
        raise StepFailed(f"write {path}", done.stderr.decode(errors="replace"))


def substituted(inputs: Any, values: dict[str, str]) -> Any:
    match inputs:
        case str():
            return REFERENCE.sub(lambda found: values[found[1]], inputs)
        case list():
            return [substituted(one, values) for one in inputs]
        case dict():
            return {key: substituted(one, values) for key, one in inputs.items()}
        case _:
            return inputs
