"""The daemon: brings the lab up, says where it is in one line, and takes all of it down when told or left alone."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import sys
import tempfile
from pathlib import Path

SOCKET = "control.sock"


def serve(directory: Path | None, until_eof: bool, machines: bool) -> int:
    if machines:
        import netns

        # Before any thread: a mount namespace belongs to a thread.
        netns.enter_private_mounts()
    wake = _signals()
    own = directory is None
    workdir = Path(tempfile.mkdtemp(prefix="eic-doctor-lab-")) if own else directory
    workdir.mkdir(parents=True, exist_ok=True)
    from .control import Control
    from .lab import Lab

    lab = Lab(workdir)
    try:
        lab.start()
        control = Control(workdir / SOCKET, lab)
        ready = {"endpoint": lab.front.endpoint, "control": str(workdir / SOCKET), "dir": str(workdir), "pid": os.getpid()}
        print(json.dumps(ready), flush=True)
        _wait(wake, until_eof)
        control.shutdown()
        control.server_close()
    finally:
        lab.stop()
        (workdir / SOCKET).unlink(missing_ok=True)
        if own:
            shutil.rmtree(workdir, ignore_errors=True)
    return 0


def _signals() -> int:
    """A descriptor that becomes readable when the daemon is told to end."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reader


def _wait(wake: int, until_eof: bool) -> None:
    # Not epoll: it takes neither /dev/null nor a file for standard input.
    selector = selectors.PollSelector()
    selector.register(wake, selectors.EVENT_READ)
    if until_eof:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fd == wake:
                return
            if not os.read(key.fd, 4096):
                return
