"""All rows of the matrix."""

from __future__ import annotations

import dataclasses
from types import ModuleType

from matrix.row import Row
from matrix.rows import account, firewall, firewall_programs, host, imds, package, pairs, rpm, rpm_family, sshd, trust, variations

AREAS = (package, account, host, imds, trust, sshd, firewall, firewall_programs, rpm, rpm_family, variations, pairs)


def _of(area: ModuleType) -> list[Row]:
    name = area.__name__.rpartition(".")[2]
    return [dataclasses.replace(row, area=row.area or name) for row in area.ROWS]


ROWS = [row for area in AREAS for row in _of(area)]
