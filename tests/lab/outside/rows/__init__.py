"""The rows, a file an area."""
