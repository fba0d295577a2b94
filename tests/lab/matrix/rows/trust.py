"""The trust anchor, the clock and OpenSSL."""

from matrix.row import Row

# The lab's own anchor stands for Amazon Root CA 1, so both must go.

ROWS: list[Row] = []
