"""The trust anchor, the clock and OpenSSL."""

from matrix.row import Row

ROWS: list[Row] = []
