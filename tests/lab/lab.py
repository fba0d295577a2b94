#!/usr/bin/env python3
"""EIC Doctor's lab from the command line: AWS's APIs over HTTP and booted instances, on this machine only."""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

HERE = Path(__file__).resolve().parent
DEFAULT_DIR = Path("/tmp/eic-doctor-lab")
STATE = "lab.json"
LOG = "lab.log"
# `down` waits this long for the daemon's end before it says so.
END_SECONDS = 30


class Trouble(Exception):
    """Told to the user as it stands."""


def main() -> int:
    arguments = parser().parse_args()
    try:
        return arguments.run(arguments)
    except Trouble as trouble:
        print(f"lab: {trouble}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="lab.py", description=__doc__)
    top.add_argument("--dir", type=Path, default=DEFAULT_DIR, help="the running lab's directory (default: %(default)s)")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=help)
        command.set_defaults(run=run)
        return command

    serve_command = add("serve", serve, "run the lab in the foreground; one JSON line says where it is")
    serve_command.add_argument("--until-eof", action="store_true", help="end when standard input closes")
    serve_command.add_argument("--in-dir", type=Path, help="keep state there instead of in a directory of its own")
    serve_command.add_argument("--no-machines", action="store_true", help="AWS's APIs only; needs no root")
    add("up", up, "run the lab in the background")
    add("down", down, "end it; nothing is left")
    add("env", env, "print the variables that make AWS's tools use it").add_argument("instance_id", nargs="?")
    instance = commands.add_parser("instance", help="create, list, delete").add_subparsers(required=True, metavar="ACTION")
    create = instance.add_parser("create", help="a healthy account picture and a booted instance")
    create.add_argument("--json", default="{}", help='settings, such as {"region": "eu-west-1", "machine": false}')
    create.set_defaults(run=lambda a: show(ask(a, "POST", "/scenario", json.loads(a.json))))
    instance.add_parser("list", help="all of them").set_defaults(run=lambda a: show(ask(a, "GET", "/scenarios")))
    delete = instance.add_parser("delete", help="take one down")
    delete.add_argument("instance_id")
    delete.set_defaults(run=lambda a: show(ask(a, "DELETE", f"/scenario/{quote(a.instance_id)}")))
    exec_command = add("exec", exec_, "run a command in an instance, as root")
    exec_command.add_argument("instance_id")
    exec_command.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- ARGV")
    ssh_command = add("ssh", ssh, "push a key through SendSSHPublicKey, then ssh into an instance from the client's network")
    ssh_command.add_argument("instance_id")
    ssh_command.add_argument("user", nargs="?")
    fault_command = add("fault", fault, "break one thing of an instance; `faults` lists what")
    fault_command.add_argument("instance_id")
    fault_command.add_argument("name")
    add("faults", list_faults, "list what can be broken")
    return top


def serve(arguments: argparse.Namespace) -> int:
    into_environment()
    sys.path.insert(0, str(HERE))
    from daemon.serve import serve as run

    return run(arguments.in_dir, arguments.until_eof, machines=not arguments.no_machines)


def into_environment(script: Path = Path(__file__)) -> None:
    """Goes on in the virtual environment that setup.sh makes: `script` is started anew with its Python."""
    cache = Path(os.environ.get("EIC_LAB_CACHE") or "/var/cache/eic-doctor-lab")
    python = cache / "venv" / "bin" / "python"
    if Path(sys.prefix) == cache / "venv":
        return
    if not python.exists():
        raise Trouble(f"{python} is not there: run {HERE / 'setup.sh'} first")
    os.execv(python, [str(python), "-B", str(script.resolve()), *sys.argv[1:]])


def up(arguments: argparse.Namespace) -> int:
    if running(arguments.dir):
        raise Trouble(f"a lab is already running in {arguments.dir}")
    arguments.dir.mkdir(parents=True, exist_ok=True)
    with open(arguments.dir / LOG, "ab") as log:
        command = [sys.executable, "-B", str(Path(__file__).resolve()), "serve", "--in-dir", str(arguments.dir)]
        daemon = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        line = daemon.stdout.readline()
    if not line:
        raise Trouble(f"the lab did not start; see {arguments.dir / LOG}")
    (arguments.dir / STATE).write_bytes(line)
    print(f"the lab is up at {json.loads(line)['endpoint']}", file=sys.stderr)
    return 0


def down(arguments: argparse.Namespace) -> int:
    state = running(arguments.dir)
    if not state:
        raise Trouble(f"no lab is running in {arguments.dir}")
    daemon = os.pidfd_open(state["pid"])
    signal.pidfd_send_signal(daemon, signal.SIGTERM)
    if not select.select([daemon], [], [], END_SECONDS)[0]:
        raise Trouble(f"the lab (process {state['pid']}) has not ended after {END_SECONDS} s; see {arguments.dir / LOG}")
    for name in (STATE, LOG):
        (arguments.dir / name).unlink(missing_ok=True)
    try:
        arguments.dir.rmdir()
    except OSError:
        print(f"lab: {arguments.dir} holds files that are not the lab's; they are left", file=sys.stderr)
    return 0


def running(directory: Path) -> dict[str, Any] | None:
    try:
        state = json.loads((directory / STATE).read_text(encoding="utf-8"))
        os.kill(state["pid"], 0)
        return state
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None


def env(arguments: argparse.Namespace) -> int:
    path = f"/scenario/{quote(arguments.instance_id)}" if arguments.instance_id else "/env"
    answer = ask(arguments, "GET", path)
    for name, value in (answer["env"] if arguments.instance_id else answer).items():
        print(f"export {name}={value}")
    return 0


def exec_(arguments: argparse.Namespace) -> int:
    argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    stdin = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    order = {"argv": argv, "stdin_b64": base64.b64encode(stdin).decode()}
    done = ask(arguments, "POST", f"/instance/{quote(arguments.instance_id)}/exec", order)
    sys.stdout.buffer.write(base64.b64decode(done["stdout_b64"]))
    sys.stderr.buffer.write(base64.b64decode(done["stderr_b64"]))
    return done["returncode"]


def ssh(arguments: argparse.Namespace) -> int:
    """In the foreground, with the terminal: the push is the daemon's, the ssh is ours."""
    made = ask(arguments, "GET", f"/scenario/{quote(arguments.instance_id)}")
    user = arguments.user or made["os_user"]
    with tempfile.TemporaryDirectory() as directory:
        key = Path(directory) / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        order = {"os_user": user, "public_key": key.with_suffix(".pub").read_text(encoding="ascii").strip()}
        way = ask(arguments, "POST", f"/instance/{quote(arguments.instance_id)}/push", order)
        options = ["-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        command = ["ssh", "-F", "/dev/null", "-i", str(key), *options, f"{user}@{made['private_ip']}"]
        return subprocess.run(["nsenter", f"--net={way['network']}", "--", *command], check=False).returncode


def fault(arguments: argparse.Namespace) -> int:
    ask(arguments, "POST", "/fault", {"instance_id": arguments.instance_id, "name": arguments.name})
    return 0


def list_faults(arguments: argparse.Namespace) -> int:
    into_environment()
    sys.path.insert(0, str(HERE))
    import faults

    for entry in faults.listing():
        late = "  (only with `instance create`)" if entry["at_creation"] else ""
        print(f"{entry['name']:34} {' '.join(entry['doc'].split())}{late}")
    return 0


def show(answer: Any) -> int:
    print(json.dumps(answer, indent=2))
    return 0


def ask(arguments: argparse.Namespace, method: str, path: str, body: Any = None) -> Any:
    state = running(arguments.dir)
    if not state:
        raise Trouble(f"no lab is running in {arguments.dir}: start one with `lab.py up`")
    status, answer = request(state["control"], method, path, body)
    if status != 200:
        raise Trouble(answer.get("error", f"status {status}"))
    return answer


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def request(control: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = UnixConnection(control)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
