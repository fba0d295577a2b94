"""Containers without a container engine: the image built by buildah, and programs run in a root as a runtime would run them.

Needs root, buildah and target/debug/eic-doctor.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from base import Base

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGING = REPOSITORY / "packaging"
KUBERNETES, ECS = PACKAGING / "kubernetes", PACKAGING / "ecs"
PROGRAM = REPOSITORY / "target/debug/eic-doctor"
# What the recipe runs in its base; the rest of a Debian image would only cost time.
OF_THE_BASE = ("sh", "bash", "sed", "ldd", "cat", "cp", "mkdir", "chown", "chmod")
BASE_IMAGE = "localhost/lab-base"
# Mounts as a runtime makes them, then the program as process 1, as its user and with no privilege to be had.
RUN = """
set -e
mount --bind "$1" "$1"
while read -r mode source target && [ "$mode" ]; do
    mount --bind "$source" "$1$target"
    mount -o "remount,bind,$mode,nosuid,nodev" "$1$target"
done <<MOUNTS
$3
MOUNTS
mount -t proc proc "$1/proc"
mount -o remount,bind,ro "$1"
root=$1 user=$2
shift 3
exec setpriv --no-new-privs /usr/sbin/chroot --userspec="$user" --groups= "$root" "$@"
"""


@dataclass
class Root:
    """The root file system of a container, and what its image says about running it."""

    path: Path
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": "/bin"})

    def start(self, arguments: list[str], environment: dict[str, str], mounts: dict[str, tuple[Path, bool]], user: str = "", **popen):
        """Runs the entrypoint with the arguments, read-only but for the mounts (by target: source, and whether it is read-only)."""
        listed = []
        for target, (source, read_only) in mounts.items():
            place = self.path / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                place.mkdir(exist_ok=True)
            else:
                place.touch()
            listed.append(f"{'ro' if read_only else 'rw'} {source} {target}")
        (self.path / "proc").mkdir(exist_ok=True)
        # A runtime brings these; without them no name is found.
        (self.path / "etc").mkdir(exist_ok=True)
        (self.path / "etc/hosts").write_text("127.0.0.1 localhost\n")
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", RUN, "run", str(self.path)]
        command += [user or self.user, "\n".join(listed), *self.entrypoint, *arguments]
        return subprocess.Popen(command, env={**self.environment, **environment}, text=True, stderr=subprocess.PIPE, **popen)

    def run(self, *arguments, **keywords) -> str:
        process = self.start(*arguments, stdout=subprocess.PIPE, **keywords)
        out, err = process.communicate(timeout=60)
        if process.returncode:
            raise AssertionError(f"{arguments[0]} ended with {process.returncode}: {out}{err}")
        return out


class Coordinator:
    """A coordinator in a container, from when it serves."""

    def __init__(self, root: Root, arguments: list[str], environment: dict[str, str], mounts: dict[str, tuple[Path, bool]], user: str = "") -> None:
        self._process = root.start(arguments, environment, mounts, user, stdout=subprocess.DEVNULL)
        self.log: list[str] = []
        for line in self._process.stderr:
            self.log.append(line)
            if "serving agents on" in line:
                return
        self._process.stderr.close()
        raise AssertionError(f"it ended with {self._process.wait()}: {''.join(self.log)}")

    def stop(self) -> int:
        """As a runtime stops a container: SIGTERM to its process 1. Its exit status; again where it has been stopped before."""
        if self._process.stderr.closed:
            return self._process.returncode
        if self._process.poll() is None:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGTERM)
        with self._process.stderr as said:
            self.log += said.readlines()
        return self._process.wait(timeout=60)


def asked(port: int, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.status, answer.read().decode()


class Images:
    """A store of buildah's in a folder."""

    def __init__(self, folder: Path) -> None:
        self._options = ["--root", folder / "root", "--runroot", folder / "run", "--storage-driver", "overlay"]
        self._containers: list[str] = []

    def said(self, *command: object) -> str:
        done = subprocess.run(["buildah", *map(str, self._options + list(command))], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"buildah {command}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def container(self, image: str) -> tuple[str, Path]:
        name = self.said("from", "--pull-never", image) if image != "scratch" else self.said("from", "scratch")
        self._containers.append(name)
        return name, Path(self.said("mount", name))

    def make_base(self) -> None:
        name, root = self.container("scratch")
        lay_out_programs(root, OF_THE_BASE)
        shutil.copytree(Base.ready().path / "etc/ssl/certs", root / "etc/ssl/certs", symlinks=False)
        self.said("commit", "--quiet", "--disable-compression", name, BASE_IMAGE)

    def build(self, packages: Path) -> Root:
        """The image of the recipe, made of the package in that folder."""
        self.make_base()
        self.run_recipe(packages, "eic-doctor")
        name, path = self.container("localhost/eic-doctor")
        told = json.loads(self.said("inspect", "--type", "container", name))["OCIv1"]["config"]
        environment = dict(one.split("=", 1) for one in told["Env"])
        self.told = told
        return Root(path, told["User"], told["Entrypoint"], environment)

    def run_recipe(self, packages: Path, tag: str) -> None:
        recipe = PACKAGING / "container/Containerfile"
        self.said("build-using-dockerfile", "--quiet", "--isolation", "chroot", "--network", "host", "--pull-never",
                  "--build-arg", f"BASE={BASE_IMAGE}", "--tag", tag, "--file", recipe, packages)  # fmt: skip

    def remove(self) -> None:
        for name in self._containers:
            self.said("rm", name)


def lay_out_programs(root: Path, names: tuple[str, ...]) -> None:
    """Programs of the lab's Debian with the libraries that they load, in the merged layout of /usr."""
    debian = Base.ready().path
    for folder in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / folder).mkdir(parents=True)
        (root / folder).symlink_to(f"usr/{folder}")
    for name in names:
        shutil.copy(debian / "usr/bin" / name, root / "usr/bin" / name)
        loaded = subprocess.run(["chroot", debian, "ldd", f"/usr/bin/{name}"], capture_output=True, text=True).stdout
        for library in (word for word in loaded.split() if word.startswith("/")):
            place = root / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(debian / library.lstrip("/"), place)
    # The coordinator's own, which the recipe looks for in its base.
    for library in ("libgcc_s.so.1", "libm.so.6"):
        place = root / "lib/x86_64-linux-gnu" / library
        shutil.copy(debian / "lib/x86_64-linux-gnu" / library, place)


def busybox(folder: Path) -> Root:
    """What the image of that name has: one program by many names."""
    lay_out_programs(folder, ("busybox",))
    listed = subprocess.run(["chroot", folder, "/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    for name in listed:
        (folder / "bin" / name).symlink_to("busybox") if name != "busybox" else None
    return Root(folder)


def package(folder: Path) -> Path:
    """The coordinator's .tar.gz as build-packages makes it, of the program without its debugging symbols."""
    sys.path.insert(0, str(PACKAGING))
    from package import manifest, programs, tarball

    stripped = folder / "eic-doctor"
    subprocess.run(["strip", "-o", stripped, PROGRAM], check=True)
    built, to = folder / "built", folder / "packages"
    to.mkdir()
    # The agent's package is not made: any program does for what is said about it.
    programs.gather(built, stripped, stripped)
    (coordinator,) = [one for one in manifest.read(PACKAGING / "packages.toml", built, 1, 0) if one.name == "eic-doctor"]
    coordinator.lay_out(folder / "tree")
    tarball.build(coordinator, folder / "tree", folder, to, True)
    return to


def documents(path: Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text()))


def deployment() -> dict:
    (document,) = documents(KUBERNETES / "deployment.yaml")
    return document
