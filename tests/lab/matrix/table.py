"""All rows of the matrix."""

from __future__ import annotations

import dataclasses
from types import ModuleType

from matrix.open import OPEN
from matrix.row import Row
from matrix.rows import account, firewall, host, imds, package, pairs, rpm, rpm_family, sshd, trust, variations

AREAS = (package, account, host, imds, trust, sshd, firewall, rpm, rpm_family, variations, pairs)


def _of(area: ModuleType) -> list[Row]:
    name = area.__name__.rpartition(".")[2]
    return [dataclasses.replace(row, area=row.area or name) for row in area.ROWS]


_ALL = [row for area in AREAS for row in _of(area)]
ROWS = [row for row in _ALL if row.name not in OPEN]
OPEN_ROWS = [row for row in _ALL if row.name in OPEN]
