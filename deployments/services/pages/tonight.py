"""Each unit at a glance: whether it is there, its last picture, and what is wrong."""

from __future__ import annotations

from typing import Any

from panoptes.network.site import Site
from panoptes.network.units.report import unit_reports


def tonight(site: Site) -> list[dict[str, Any]]:
    return list(unit_reports(site))
