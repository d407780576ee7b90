"""Which nights there are: rows for a calendar."""

from __future__ import annotations

from dataclasses import dataclass

from panoptes.network.site import Site


@dataclass(frozen=True)
class NightRow:
    """What a unit's night brought, from its observations."""

    night: str
    """YYYY-MM-DD"""
    unit_id: str
    observations: int
    images: int
    """Lights in the catalogue."""
    exptime: float
    """Seconds that these were exposed for, in all."""


def nights_of(
    site: Site, unit_id: str | None = None, *, limit: int = 60, before: str | None = None
) -> list[NightRow]:
    """The nights with observations, the newest first and within one by unit.

    Of all units, or of one. At most `limit` rows, but always whole nights: the last one of a
    page may exceed it, so that a page goes on with ``before=rows[-1].night``.
    """
    raise NotImplementedError
