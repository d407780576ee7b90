"""An opened network: its settings, its stores and its catalogue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from panoptes.network.addresses import open_catalog, open_store, place_of
from panoptes.network.catalog.catalog import Catalog
from panoptes.network.catalog.values import number
from panoptes.network.documents import GeoPoint, Location
from panoptes.network.errors import BadInput, ConfigurationError
from panoptes.network.settings import LOCATIONS, NetworkSettings
from panoptes.network.storage.store import NotFound, ObjectInfo, ObjectStore
from panoptes.network.upload import Source

if TYPE_CHECKING:
    from google.auth.credentials import Credentials


class Site:
    """What a network's settings name, opened at its first use.

    `credentials` gives those for Google Cloud; None: the machine's own. May be shared by
    threads; pickled, it travels as its settings and is opened anew.
    """

    def __init__(
        self, settings: NetworkSettings, *, credentials: Callable[[], Credentials] | None = None
    ) -> None:
        self.settings = settings
        self._credentials = credentials
        self._lock = threading.RLock()
        self._stores: dict[Location, ObjectStore] = {}
        self._catalog: Catalog | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the catalogue; its next use opens it anew."""
        if self._catalog is not None:
            self._catalog.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.settings, credentials=self._credentials), ()

    @classmethod
    def in_folder(cls, data: Path, *, incoming: Path | None = None, **policies: Any) -> Self:
        """See `NetworkSettings.in_folder`."""
        return cls(NetworkSettings.in_folder(data, incoming=incoming, **policies))

    def changed(self, **policies: Any) -> Self:
        """The same network under other settings, opened anew."""
        settings = self.settings.model_copy(update=policies)
        return type(self)(settings, credentials=self._credentials)

    def store(self, location: Location) -> ObjectStore:
        """The store of a location."""
        with self._lock:
            if location not in self._stores:
                kept = self.settings.keep_incoming
                self._stores[location] = open_store(
                    getattr(self.settings, location),
                    read_only=location == "incoming" and kept,
                    # In a user's own folder links are theirs; where others upload they are not.
                    follow_links=location != "incoming" or kept,
                    uploads=location == "incoming",
                    credentials=self._credentials,
                )
            return self._stores[location]

    @property
    def tables(self) -> ObjectStore | None:
        """Where tables of the catalogue are published, if anywhere."""
        address = self.settings.tables
        return open_store(address, credentials=self._credentials) if address else None

    @property
    def measurements(self) -> ObjectStore | None:
        """Where light curves lie, if anywhere."""
        address = self.settings.measurements
        return open_store(address, credentials=self._credentials) if address else None

    @property
    def catalog(self) -> Catalog:
        """The catalogue."""
        with self._lock:
            if self._catalog is None:
                self._catalog = open_catalog(self.settings.catalog, credentials=self._credentials)
            return self._catalog

    def check(self) -> None:
        """Look at every store and the catalogue before the first file.

        Raises ConfigurationError, in one sentence.
        """
        places: dict[str, str] = {
            name: place_of(getattr(self.settings, name)) for name in LOCATIONS
        }
        places |= {
            name: place_of(place)
            for name in ("tables", "measurements")
            if (place := getattr(self.settings, name))
        }
        for name, place in places.items():
            if list(places.values()).count(place) > 1:
                raise ConfigurationError(
                    f"two locations share {place} ({name} is one of them): give each its own"
                )
        if not self.settings.keep_incoming:
            self._refuse_places_in_incoming()
        for name in LOCATIONS:
            self.store(name).check()
        self.catalog.check()

    def _refuse_places_in_incoming(self) -> None:
        """What lies there is taken for an upload and removed."""
        settings = self.settings
        above = f"{place_of(settings.incoming)}/"
        for name in (*LOCATIONS[1:], "catalog", "tables", "measurements"):
            place = (getattr(settings, name) or "").removeprefix("sqlite:///")
            if place and place_of(place).startswith(above):
                raise ConfigurationError(
                    f"{name} lies in incoming, {settings.incoming}, which is drained: "
                    "give it a place of its own"
                )

    def stat(self, location: Location, path: str) -> ObjectInfo | None:
        """What the store says of an object; None where there is none."""
        try:
            return self.store(location).stat(path)
        except NotFound:
            return None

    def has(self, source: Source) -> bool:
        """Whether `incoming` still holds this very generation of an uploaded file."""
        found = self.stat("incoming", source.name)
        return found is not None and found.generation == source.generation

    def place(self, unit_id: str) -> tuple[GeoPoint, float] | None:
        """Of a unit, with its metres above sea level, 0 where they are not known.

        None where its place is not known. Other programs write down units that cannot be: of
        these nothing is known.
        """
        try:
            unit = self.catalog.get("units", unit_id)
        except ValueError:
            return None
        place = unit.fields.get("location") if unit else None
        if unit is None or not isinstance(place, GeoPoint):
            return None
        return place, number(unit.fields, "elevation") or 0.0

    def longitude(self, unit_id: str) -> float | None:
        """Of a unit, in degrees, east positive; None where it is not known."""
        place = self.place(unit_id)
        return place[0].longitude if place else None

    def read(self, source: Source) -> bytes:
        """The bytes of exactly this generation of an uploaded file, kept in `source`.

        Raises BadInput ``empty-file``, ``too-large``, ``transfer-damage``, and NotFound
        when another generation has taken its place.
        """
        if source.memory.data is not None:
            return source.memory.data
        limit = self.settings.max_file_bytes
        if source.size > limit:
            raise BadInput("too-large", f"{source.size:,} bytes; the limit is {limit:,}")
        data, _ = self.store("incoming").read(source.name, generation=source.generation)
        if not data:
            raise BadInput("empty-file")
        source.memory.data = data
        return data
