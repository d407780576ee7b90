"""An operator enters a unit: its document, and a folder of its own to upload into."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panoptes.network.addresses import place_of
from panoptes.network.catalog.catalog import Fields, modify
from panoptes.network.documents import GeoPoint, Unit
from panoptes.network.errors import ConfigurationError
from panoptes.network.nighttime import east_of
from panoptes.network.site import Site

FOLDER_MODE = 0o2770
"""The unit's user and the network's group write there, others do not look in; what is made
within belongs to the same group."""

ACTIVE, RESTING = "active", "resting"
"""What a unit's status says; one that rests may be silent."""

_UNIT_ID = re.compile(r"PAN\d{3}", re.ASCII)


@dataclass(frozen=True)
class Place:
    """Where a unit stands: degrees, east positive, and metres above sea level."""

    latitude: float
    longitude: float
    elevation: float | None = None

    def __post_init__(self) -> None:
        """Raises ConfigurationError for what is no place on Earth."""
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            raise ConfigurationError(
                f"{self.latitude}, {self.longitude} is no place on Earth: latitude -90 to 90 "
                "degrees, longitude -180 to 180 degrees, east positive"
            )
        if self.elevation is not None and not -500 <= self.elevation <= 9000:
            raise ConfigurationError(f"no unit stands {self.elevation} m above sea level")


def is_unit_id(text: str) -> bool:
    """Whether a unit may be called so."""
    return bool(_UNIT_ID.fullmatch(text))


def checked_unit_id(text: str) -> str:
    """The id itself. Raises ConfigurationError for what is none."""
    if not is_unit_id(text):
        raise ConfigurationError(f"{text[:40]!r} is no unit's id: PAN and three digits")
    return text


def register(
    site: Site,
    unit_id: str,
    *,
    name: str | None = None,
    place: Place | None = None,
    daily_bytes: int | None = None,
    status: str | None = None,
    dry_run: bool = False,
) -> Fields:
    """Enter a unit, or change what is given of one; gives its document as it then is.

    What an operator says is before what headers say, then and later. Safe to repeat: the
    time of the first registration stays.
    """
    checked_unit_id(unit_id)
    if name is not None and not name.strip():
        raise ConfigurationError("a unit's name is not empty: leave --name out to keep its name")
    if name is not None and not name.isprintable():
        raise ConfigurationError(f"{name[:40]!r} is no name: it holds broken text or line breaks")
    if daily_bytes is not None and not 0 <= daily_bytes < 2**63:
        raise ConfigurationError(f"{daily_bytes} bytes are more than any unit sends a day")
    if status not in (None, ACTIVE, RESTING):
        raise ConfigurationError(f"a unit is {ACTIVE} or {RESTING}, not {status[:40]!r}")
    said: Fields = {"name": name, "daily_bytes": daily_bytes, "status": status}
    if place is not None:
        said |= {
            "location": GeoPoint(place.latitude, east_of(place.longitude)),
            "elevation": place.elevation,
        }
    said = {field: value for field, value in said.items() if value is not None}
    moment = datetime.now(UTC)

    def change(before: Fields | None) -> Fields:
        stored = before or {}
        return _first(stored, unit_id, moment) | said | _ours_no_more(stored, said)

    if dry_run:
        stored = site.catalog.get("units", unit_id)
        before = stored.fields if stored else {}
        return {k: v for k, v in (before | change(before)).items() if v is not None}
    return modify(site.catalog, "units", unit_id, change)


def _first(stored: Fields, unit_id: str, moment: datetime) -> Fields:
    """What a unit has from its first registration on, where it has not got it yet."""
    unit = Unit.model_validate({"name": unit_id, "registered": moment})
    return {field: value for field, value in unit.fields().items() if not stored.get(field)}


def _ours_no_more(stored: Fields, said: Mapping[str, Any]) -> Fields:
    """`described_by` without the fields that an operator now says: headers keep off the rest."""
    described = stored.get("described_by")
    if not isinstance(described, dict) or not described.keys() & said.keys():
        return {}
    return {"described_by": {k: v for k, v in described.items() if k not in said} or None}


def make_folder(site: Site, unit_id: str) -> Path | None:
    """Make the unit's own folder in `incoming`, and set its mode; None where that is a bucket.

    Raises ConfigurationError where it cannot be, or something else has its name.
    """
    settings = site.settings
    if settings.incoming.startswith("gs:") or settings.keep_incoming:
        return None
    folder = Path(place_of(settings.incoming)) / checked_unit_id(unit_id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink():
            raise ConfigurationError(f"{folder} is a link: a unit uploads into a folder of its own")
        if stat.S_IMODE(folder.stat().st_mode) != FOLDER_MODE:
            folder.chmod(FOLDER_MODE)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be made: {error.strerror}") from error
    return folder
