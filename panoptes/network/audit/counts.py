"""Derived fields against what the catalogue's documents give."""

from __future__ import annotations

from collections.abc import Iterator

from panoptes.network.audit.finding import Finding, Kind, Repair
from panoptes.network.catalog.catalog import Fields


def wrong_counts(
    collection: str, key: str, fields: Fields, expected: Fields, sequence_id: str | None
) -> Iterator[Finding]:
    """A finding where derived fields are not what the catalogue's documents give."""
    wrong = [
        f"{name} is {fields.get(name)} and should be {value}"
        for name, value in expected.items()
        if not _same(fields.get(name), value)
    ]
    if wrong:
        yield Finding(
            Kind.COUNT_WRONG, "catalog", f"{collection}/{key}",
            f"Of {key}, {'; '.join(wrong)}.", sequence_id,
            Repair.SETTLE if sequence_id else None,
        )  # fmt: skip


def _same(stored: object, expected: object) -> bool:
    if isinstance(expected, float) and isinstance(stored, int | float):
        # Sums are added in no certain order, and then rounded to the millisecond.
        return abs(stored - expected) < 0.0015
    return stored == expected


def number(value: object) -> float:
    """A field as it adds to a sum; 0 where it is no number, as `Catalog.aggregate` has it."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
