"""What a sweep sees that people should hear of: units that fell silent, disks nearly full."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from panoptes.network.addresses import place_of
from panoptes.network.catalog.catalog import Stored
from panoptes.network.search import all_units
from panoptes.network.settings import LOCATIONS, NetworkSettings
from panoptes.network.site import Site
from panoptes.network.units.registry import RESTING
from panoptes.network.units.report import is_registered, last_heard
from panoptes.network.units.telemetry import last_said

FORGOTTEN = timedelta(days=30)
"""A unit that nobody registered and that was not heard of for so long is no news."""
_SQLITE = "sqlite:///"


class Health(BaseModel):
    """In sentences, for the event of a sweep; both are empty where all is well."""

    model_config = ConfigDict(frozen=True)
    silent: dict[str, str] = Field(default_factory=dict, description="by the unit's id")
    nearly_full: list[str] = Field(default_factory=list, description="disks of folders")


def health_of(site: Site, *, now: datetime | None = None) -> Health:
    """How units and disks are. Buckets are never full."""
    moment = now or datetime.now(UTC)
    silent = {
        stored.key: sentence
        for stored in all_units(site.catalog)
        if (sentence := silence_of(site, stored, moment))
    }
    return Health(silent=silent, nearly_full=list(_nearly_full(site.settings)))


def silence_of(site: Site, stored: Stored, now: datetime) -> str | None:
    """A sentence where a unit that should be there has not been heard of for too long."""
    if stored.fields.get("status") == RESTING:
        return None
    patience = timedelta(hours=site.settings.silent_hours)
    said = last_said(stored.fields, now)
    if said is not None and now - said <= patience:
        return None  # the ledger need not be asked
    heard = last_heard(site.catalog, stored, now=now)
    if heard is None or now - heard <= patience:
        return None
    if now - heard > FORGOTTEN and not is_registered(stored):
        return None
    days = (now - heard).total_seconds() / 86400
    return f"{stored.key} was last heard of {heard:%Y-%m-%d %H:%M} UTC, {days:.1f} days ago"


def _nearly_full(settings: NetworkSettings) -> Iterator[str]:
    """One sentence a file system, naming the locations on it."""
    places: dict[str, str] = {name: getattr(settings, name) for name in LOCATIONS}
    if settings.catalog.startswith(_SQLITE):
        places["catalog"] = str(Path(settings.catalog.removeprefix(_SQLITE)).parent)
    disks: dict[int, tuple[Path, list[str]]] = {}
    for name, address in places.items():
        folder = Path(place_of(address))
        if not address.startswith("gs:") and folder.is_dir():
            disks.setdefault(folder.stat().st_dev, (folder, []))[1].append(name)
    for folder, names in disks.values():
        usage = shutil.disk_usage(folder)
        free = 100 * usage.free / usage.total
        if free < settings.least_free_percent:
            shown = "this network" if names == list(places) else ", ".join(names)
            yield f"the disk of {shown} has {free:.0f} % free, {usage.free / 1e9:.1f} GB"
