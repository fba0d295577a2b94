"""sshd: whether it runs, where it listens, how it is wired, and what it accepts."""

from matrix.row import Row

ROWS: list[Row] = []
