"""Layers over the base: what some instances have beside it. Each is made once and kept."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import Callable

from base import Base, LabError

# In mounts of its own: SCRIPT LOWER UPPER WORK ROOT. Without an UPPER nothing that SCRIPT writes stays.
CHROOT = """
set -eu
if [ -z "$3" ]; then
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    set -- "$1" "$2" /mnt/upper /mnt/work /mnt/root
fi
mount -t overlay -o "lowerdir=$2,upperdir=$3,workdir=$4" overlay "$5"
mount -t proc proc "$5/proc"
exec chroot "$5" /bin/sh -c "$1"
"""


# Runs a script as root in the base with the layer over it.
Run = Callable[[str], object]


def kept(base: Base, name: str, fill: Callable[[Path, Run], None]) -> Path:
    """The layer of this name, which tells by a digest what it is made of. `fill` fills its folder if it is not there yet."""
    path = base.path.parent / name
    if path.is_dir():
        return path
    # Two checkouts may start at once: the second waits for the first one's layer.
    with open(base.path.parent / "layer.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_dir():
            _make(base, path, fill)
    return path


def _make(base: Base, path: Path, fill: Callable[[Path, Run], None]) -> None:
    upper, work, root = (path.with_suffix(f".{end}") for end in ("partial", "work", "root"))
    for directory in (upper, work, root):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
    fill(upper, lambda script: in_chroot(script, base, [str(upper), str(work), str(root)]))
    shutil.rmtree(work)
    root.rmdir()
    upper.rename(path)


def in_chroot(script: str, base: Base, over: list[str] | None = None, stdin: bytes = b"") -> bytes:
    """What `script` prints in the base, with `over` (UPPER, WORK, ROOT) over it; without them nothing that it writes stays."""
    done = subprocess.run(
        [
            "unshare", "--mount", "--propagation", "private", "sh", "-c", CHROOT, "sh", script, str(base.path),
            *(over or ["", "", ""]),
        ],
        input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"},
    )  # fmt: skip
    if done.returncode != 0:
        raise LabError(f"a layer over the base: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
