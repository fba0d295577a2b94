"""Tools, shared memory, the log's socket, and who the machine says it is."""

from matrix.row import Row

ROWS: list[Row] = []
