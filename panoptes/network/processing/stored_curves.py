"""The newest light curves of an observation, opened where they lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from panoptes.network.catalog.catalog import Fields
from panoptes.network.light_curves.summaries import StarSummary, summaries
from panoptes.network.light_curves.table import (
    LightCurve,
    LightCurveFile,
    NotTheNetworks,
    StoredObject,
)
from panoptes.network.names import is_simulated, parse_sequence_id
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

_STAR_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:+-]{0,63}")


@dataclass(frozen=True)
class StoredCurves:
    """A Parquet file of light curves, of which nothing but its end was read yet."""

    sequence_id: str
    observation: Fields
    processed: datetime | None
    path: str
    """In `measurements`."""
    generation: int
    file: LightCurveFile

    @property
    def is_simulated(self) -> bool:
        """Whether no telescope saw it."""
        return is_simulated(self.observation)


def open_curves(site: Site, sequence_id: str) -> StoredCurves:
    """Raises NotFound where there is no such observation, or no light curves of it; and
    TransientError."""
    try:
        parse_sequence_id(sequence_id)
    except ValueError as error:
        raise NotFound(str(error)) from None
    stored = site.catalog.get("observations", sequence_id)
    if stored is None:
        raise NotFound(f"there is no observation {sequence_id}")
    path, processed = stored.fields.get("measurements_path"), stored.fields.get("processed")
    store = site.measurements
    if not isinstance(path, str) or store is None:
        raise NotFound(
            f"there are no light curves of {sequence_id} yet: panoptes-network process "
            f"{sequence_id} makes them"
        )
    try:
        info = store.stat(path)
        file = LightCurveFile(StoredObject(partial(store.read_range, path), info.size))
    except (NotFound, ValueError) as error:  # NotTheNetworks, and what is no name of an object
        raise _lost(sequence_id) from error
    return StoredCurves(
        sequence_id,
        stored.fields,
        processed if isinstance(processed, datetime) else None,
        path,
        info.generation,
        file,
    )


def _lost(sequence_id: str) -> NotFound:
    return NotFound(f"the light curves of {sequence_id} cannot be read: process it again")


def stars_of(stored: StoredCurves) -> list[StarSummary]:
    """Every star, the brightest first. Raises NotFound for a file that is damaged."""
    try:
        return summaries(stored.file)
    except NotTheNetworks as error:
        raise _lost(stored.sequence_id) from error


@dataclass(frozen=True)
class Star:
    """A star's light curves in an observation."""

    stored: StoredCurves
    curves: tuple[LightCurve, ...]
    """By channel; at least one."""

    @property
    def star_id(self) -> str:
        return self.curves[0].star_id

    def curve(self, channel: str) -> LightCurve:
        """Raises NotFound for a channel in which the star was not measured."""
        for each in self.curves:
            if each.channel == channel:
                return each
        channels = ", ".join(each.channel for each in self.curves)
        raise NotFound(f"the star was not measured in {channel!r}: choose one of {channels}")

    @property
    def is_simulated(self) -> bool:
        """Whether no telescope saw it."""
        return self.stored.is_simulated

    @property
    def exposure_seconds(self) -> float:
        """Of one image; 0 where it is not known."""
        said = self.stored.observation.get("exptime")
        return float(said) if isinstance(said, int | float) else 0.0

    @property
    def file_name(self) -> str:
        """Of a file of it, without a suffix: letters, digits, dashes and underscores."""
        return re.sub(r"[^0-9A-Za-z_-]", "-", f"{self.stored.sequence_id}_{self.star_id}")


def star_of(site: Site, sequence_id: str, star_id: str) -> Star:
    """One row group is read. Raises NotFound."""
    stored = open_curves(site, sequence_id)
    try:
        found = stored.file.star(star_id) if _STAR_ID.fullmatch(star_id) else []
    except NotTheNetworks as error:
        raise _lost(sequence_id) from error
    if not found:
        raise NotFound(
            f"there is no light curve of a star {star_id[:80]!r} in {sequence_id}: the list of "
            "its stars says which there are"
        )
    return Star(stored, tuple(found))
