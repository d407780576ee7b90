"""The newest light curves of an observation, opened where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from panoptes.network.catalog.catalog import Fields
from panoptes.network.light_curves.table import LightCurveFile, StoredObject
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound


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
    lost = f"the light curves of {sequence_id} cannot be read: process it again"
    try:
        info = store.stat(path)
        file = LightCurveFile(StoredObject(partial(store.read_range, path), info.size))
    except (NotFound, ValueError) as error:  # NotTheNetworks, and what is no name of an object
        raise NotFound(lost) from error
    return StoredCurves(
        sequence_id,
        stored.fields,
        processed if isinstance(processed, datetime) else None,
        path,
        info.generation,
        file,
    )
