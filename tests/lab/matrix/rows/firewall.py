"""Packet filters, hosts.deny, bans and routes."""

from matrix.row import Row

ROWS: list[Row] = []
