"""Tools, shared memory, the log's socket, and who the machine says it is."""

from matrix.row import Row

UNIT = "/etc/systemd/system/ssh.service.d/harden.conf"
TOOLS, SHARED = "os.host.tools", "os.host.shared-memory"


def harden(line: str) -> str:
    return f"mkdir -p {UNIT.rpartition('/')[0]}; printf '[Service]\\n{line}\\n' >{UNIT}; systemctl daemon-reload; systemctl restart ssh"


ROWS: list[Row] = []
