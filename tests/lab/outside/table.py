"""All rows of the matrix of AWS's side."""

from __future__ import annotations

import dataclasses
from types import ModuleType

from outside.row import Row
from outside.rows import address, endpoint, iam, instance, network_acl, pairs, public_access, route, security_group, trail

AREAS = (security_group, network_acl, route, address, public_access, endpoint, iam, instance, trail, pairs)


def _of(area: ModuleType) -> list[Row]:
    name = area.__name__.rpartition(".")[2].replace("_", "-")
    return [dataclasses.replace(row, area=row.area or name) for row in area.ROWS]


ROWS = [row for area in AREAS for row in _of(area)]
