"""Two faults that have nothing to do with each other: both must be named."""

from matrix.row import Row

ROWS: list[Row] = []
