"""Which fields are looked up, declared once for SQLite and for Firestore.

SQLite indexes every line of `LOOKUPS`. Firestore indexes single fields by itself and
refuses a query over several fields unless a composite index is declared
(https://cloud.google.com/firestore/docs/query-data/indexing), so
``deployments/cloud/firestore.indexes.json`` holds those. The emulator does not enforce
this: `tests.recording` does.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Index:
    """Fields in order, each ``NAME`` or ``NAME desc``."""

    collection: str
    fields: tuple[str, ...]

    @property
    def ordered(self) -> tuple[tuple[str, bool], ...]:
        """The names and whether each descends."""
        return tuple((each.removesuffix(" desc"), each.endswith(" desc")) for each in self.fields)


LOOKUPS: tuple[Index, ...] = (
    Index("images", ("sequence_id", "time")),
    Index("images", ("sequence_id", "status", "exptime")),
    Index("images", ("unit_id", "status", "exptime")),
    Index("images", ("unit_id", "time desc")),
    Index("observations", ("sequence_id",)),
    Index("observations", ("unit_id", "time")),
    Index("observations", ("unit_id", "time desc")),
    Index("observations", ("camera_id", "time")),
    Index("observations", ("camera_id", "time desc")),
    Index("observations", ("unit_id", "camera_id", "time")),
    Index("observations", ("unit_id", "camera_id", "status", "time")),
    Index("observations", ("status", "time")),
    Index("observations", ("time",)),
    Index("observations", ("healpix",)),
    Index("files", ("sequence_id", "arrived desc")),
    Index("files", ("unit_id", "arrived desc")),
    Index("files", ("unit_id", "taken_on", "taken_bytes")),
    Index("files", ("path",)),
    Index("files", ("outcome", "name")),
    Index("files", ("code",)),
    Index("files", ("case_id",)),
    Index("leases", ("expires",)),
)
"""Where ``exptime`` or ``taken_bytes`` is the last, it is summed where the others are equal."""
