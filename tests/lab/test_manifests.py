"""packaging/kubernetes, packaging/ecs and packaging/container as files: of their kinds to the letter, and of one mind. Nothing is started.

Run by `python3 tests/lab/test_manifests.py` after `tests/lab/setup.sh`; needs target/debug/eic-doctor.
"""

from __future__ import annotations

import re
import subprocess
import sys
import unittest
from pathlib import Path

import lab

if __name__ == "__main__":
    lab.into_environment(Path(__file__))

import kubernetes_validate
import yaml

from containers import ECS, KUBERNETES, PACKAGING, PROGRAM, deployment, documents

MANIFESTS = sorted(path for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml")


class Manifests(unittest.TestCase):
    def test_both_configurations_are_sound(self) -> None:
        for folder in (KUBERNETES, ECS):
            done = subprocess.run([PROGRAM, "serve", "--check-config", "--syntax-only", "--config", folder / "coordinator.toml"], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, f"{folder / 'coordinator.toml'}: sound\n"))

    def test_every_manifest_is_of_its_kind_to_the_letter(self) -> None:
        self.assertEqual(len(MANIFESTS), 6)
        for path in MANIFESTS:
            for document in documents(path):
                kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)

    def test_the_kustomization_names_every_manifest(self) -> None:
        (told,) = documents(KUBERNETES / "kustomization.yaml")
        self.assertEqual(sorted(told["resources"]), [path.name for path in MANIFESTS])

    def test_kustomize_puts_the_configuration_and_the_image_in_their_places(self) -> None:
        put_together = subprocess.run(["kubectl", "kustomize", KUBERNETES], check=True, capture_output=True, text=True).stdout
        by_kind = {document["kind"]: document for document in yaml.safe_load_all(put_together)}
        pod = by_kind["Deployment"]["spec"]["template"]["spec"]
        self.assertEqual(by_kind["ConfigMap"]["data"], {"coordinator.toml": (KUBERNETES / "coordinator.toml").read_text()})
        named = [volume["configMap"]["name"] for volume in pod["volumes"] if volume["name"] == "config"]
        self.assertEqual(named, [by_kind["ConfigMap"]["metadata"]["name"]])
        self.assertRegex(named[0], "^eic-doctor-[a-z0-9]{10}$")
        self.assertRegex(pod["containers"][0]["image"], "^registry.example.com/eic-doctor[:@]")

    def test_the_pods_keep_the_restricted_profile(self) -> None:
        pod = deployment()["spec"]["template"]["spec"]
        self.assertEqual((pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["seccompProfile"]["type"]), (True, "RuntimeDefault"))
        self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & set(pod))
        self.assertTrue(all(set(volume) - {"name"} <= {"configMap", "secret", "emptyDir"} for volume in pod["volumes"]))
        for container in pod["initContainers"] + pod["containers"]:
            self.assertEqual(
                container["securityContext"],
                {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
            )

    def test_services_policy_and_budget_are_about_the_pods_of_the_deployment(self) -> None:
        document = deployment()
        labels = document["spec"]["template"]["metadata"]["labels"]
        (policy,), (budget,) = documents(KUBERNETES / "network-policy.yaml"), documents(KUBERNETES / "disruption-budget.yaml")
        selectors = [document["spec"]["selector"]["matchLabels"], policy["spec"]["podSelector"]["matchLabels"], budget["spec"]["selector"]["matchLabels"]]
        ports = {port["name"]: port["containerPort"] for port in document["spec"]["template"]["spec"]["containers"][0]["ports"]}
        for service in documents(KUBERNETES / "service.yaml"):
            selectors.append(service["spec"]["selector"])
            self.assertEqual({port["name"]: port["port"] for port in service["spec"]["ports"]}.items() - ports.items(), set())
        self.assertEqual(selectors, [labels] * len(selectors))
        listened = {int(port) for port in re.findall(r"0\.0\.0\.0:(\d+)", (KUBERNETES / "coordinator.toml").read_text())}
        let_in = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        self.assertEqual(listened, set(ports.values()))
        self.assertEqual(listened, let_in)

    def test_hadolint_has_nothing_to_say_of_the_recipe(self) -> None:
        done = subprocess.run([Path(sys.prefix) / "bin/hadolint", PACKAGING / "container/Containerfile"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)


if __name__ == "__main__":
    unittest.main()
