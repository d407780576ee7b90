"""The network as an operator sets it up: which stores, which catalog, which policies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self, get_args

from panoptes.network.upload import Source
from prefect.blocks.core import Block
from pydantic import Field, PrivateAttr, ValidationError, field_validator

from panoptes.network.addresses import checked_catalog, checked_store, first_line, place_of
from panoptes.network.catalog.catalog import Catalog
from panoptes.network.documents import Location
from panoptes.network.errors import BadInput, ConfigurationError
from panoptes.network.opened import Opened
from panoptes.network.storage.checksums import crc32c
from panoptes.network.storage.store import NotFound, ObjectInfo, ObjectStore

LOCATIONS: tuple[Location, ...] = get_args(Location)
Compression = Literal["GZIP_2", "RICE_1"]

_WHERE = "A folder, or gs://BUCKET or gs://BUCKET/PREFIX."


class PanoptesNetwork(Block):
    """Where the network's files and documents are kept, and how they are treated."""

    _block_type_name = "PANOPTES network"
    _block_type_slug = "panoptes-network"
    _description = "Where the network's files and documents are kept, and how they are treated."

    incoming: str = Field(description=f"Where units upload. {_WHERE}")
    keep_incoming: bool = Field(
        False,
        description="Leave uploaded files where they are instead of removing each once it is "
        "archived; the ledger alone then says what is done.",
    )
    images: str = Field(description=f"The archive of record, .fits.fz. {_WHERE}")
    originals: str = Field(description=f"Camera raws as uploaded. {_WHERE}")
    rgb: str = Field(description=f"Colour planes made from camera raws. {_WHERE}")
    previews: str = Field(description=f"Pictures to look at. {_WHERE}")
    timelapse: str = Field(description=f"Timelapse videos. {_WHERE}")
    quarantine: str = Field(description=f"Files that could not be taken. {_WHERE}")
    catalog: str = Field(
        description="The documents: sqlite:///FOLDER/catalog.sqlite, or "
        "firestore://PROJECT or firestore://PROJECT/DATABASE."
    )
    gcp_credentials: str | None = Field(
        None,
        title="Google credentials block",
        description="Name of a prefect-gcp GcpCredentials block; empty: the machine's own "
        "(application-default) credentials.",
    )
    compression: Compression = Field(
        "GZIP_2",
        description="How archived images are compressed, always without loss: GZIP_2 is "
        "smaller and takes less time, RICE_1 is what fpack writes.",
    )
    rawpy_options: dict[str, Any] | None = Field(
        None,
        description="Make colour planes by LibRaw's interpolation with these options, as the "
        "original service did, instead of keeping the raw samples. {} takes its defaults.",
    )
    previews_wanted: bool = Field(True, description="Make a picture of every image.")
    workers: int = Field(
        0, ge=0, le=256, description="Images in the works at once in one run; 0: one a core."
    )
    max_file_bytes: int = Field(
        1 << 29, gt=0, description="Larger files are quarantined rather than loaded; bytes."
    )
    max_pixels: int = Field(
        200_000_000, gt=0, description="Images of more pixels are quarantined, not decoded."
    )
    max_decoded_bytes: int = Field(
        1 << 30,
        gt=0,
        description="Compressed FITS images that take more room once decoded are quarantined, "
        "not decoded; bytes. A run may take twice as much for each of its workers.",
    )
    max_header_bytes: int = Field(
        1 << 21,
        gt=0,
        description="FITS files whose headers together are larger are quarantined; bytes. A "
        "solved PANOPTES frame has 20,000.",
    )
    lease_seconds: float = Field(
        120.0,
        ge=2,
        description="How long a run that fell silent keeps others from its observation.",
    )
    stall_seconds: float = Field(
        1800.0,
        ge=5,
        description="A run that takes no file for so long ends itself, so that another can "
        "take over.",
    )
    rest_seconds: float = Field(
        10.0,
        ge=0,
        description="An upload in a folder is taken once it has been unchanged for so long and "
        "nobody has it open for writing.",
    )
    incomplete_seconds: float = Field(
        600.0,
        ge=0,
        description="An upload in a folder that looks incomplete (cut short, empty, not readable "
        "as begun), or whose name says nothing, is judged once it has been unchanged for so long.",
    )
    live_nights: int = Field(
        3,
        ge=0,
        description="Observations that began more days ago are ingested behind the others, in "
        "the work queue 'backfill'.",
    )
    quiet_hours: float = Field(
        2.0, ge=0, description="An observation counts as received after this time without files."
    )
    failure_limit: int = Field(
        10, ge=1, description="A file that failed this often waits for an operator."
    )

    _opened: Opened = PrivateAttr(default_factory=Opened)

    @field_validator(*LOCATIONS)
    @classmethod
    def _is_a_place_of_files(cls, value: str) -> str:
        return checked_store(value)

    @field_validator("catalog")
    @classmethod
    def _is_a_catalog(cls, value: str) -> str:
        return checked_catalog(value)

    @classmethod
    def in_folder(cls, data: Path, *, incoming: Path | None = None, **policies: Any) -> Self:
        """A network on this machine: every location a folder of its name in `data`.

        `incoming`, if given, is a user's own folder: a kept source, never written to.
        """
        root = data.expanduser().resolve()
        places: dict[str, Any] = {name: str(root / name) for name in LOCATIONS}
        if incoming is not None:
            places |= {"incoming": str(incoming.expanduser().resolve()), "keep_incoming": True}
        return cls(**places, catalog=f"sqlite:///{root}/catalog.sqlite", **policies)

    @classmethod
    def from_environment(cls) -> Self:
        """The network that variables such as ``PANOPTES_INCOMING`` describe, one a field.

        `rawpy_options` is JSON. Raises ConfigurationError naming the variable at fault.
        """
        given = {name: os.environ.get(f"PANOPTES_{name.upper()}") for name in _settings(cls)}
        values: dict[str, Any] = {name: text for name, text in given.items() if text}
        try:
            if "rawpy_options" in values:
                values["rawpy_options"] = json.loads(values["rawpy_options"])
            return cls.model_validate(values)
        except json.JSONDecodeError as error:
            raise ConfigurationError(f"PANOPTES_RAWPY_OPTIONS is no JSON: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            variable = f"PANOPTES_{str(first['loc'][0]).upper()}"
            raise ConfigurationError(f"{variable}: {first['msg']}") from error

    def store(self, location: Location) -> ObjectStore:
        """The store of a location, opened at its first use."""
        return self._opened.store(self, location)

    @property
    def documents(self) -> Catalog:
        """The catalog, opened at its first use."""
        return self._opened.documents(self)

    def check(self) -> None:
        """Look at every store and the catalog before the first file.

        Raises ConfigurationError, in one sentence.
        """
        places = {name: place_of(getattr(self, name)) for name in LOCATIONS}
        for name, place in places.items():
            if list(places.values()).count(place) > 1:
                raise ConfigurationError(
                    f"two locations share {place} ({name} is one of them): give each its own"
                )
        if not self.keep_incoming:
            self._refuse_places_in_incoming()
        for name in LOCATIONS:
            self.store(name).check()
        self.documents.check()

    def _refuse_places_in_incoming(self) -> None:
        """What lies there is taken for an upload and removed."""
        above = f"{place_of(self.incoming)}/"
        for name in (*LOCATIONS[1:], "catalog"):
            if place_of(getattr(self, name).removeprefix("sqlite:///")).startswith(above):
                raise ConfigurationError(
                    f"{name} lies in incoming, {self.incoming}, which is drained: "
                    "give it a place of its own"
                )

    def read(self, source: Source) -> bytes:
        """The bytes of exactly this generation of an uploaded file.

        Raises BadInput ``empty-file``, ``too-large``, ``transfer-damage``, and NotFound
        when another generation has taken its place.
        """
        held = self._opened.held(source)
        if held is not None:
            return held
        if source.size > self.max_file_bytes:
            raise BadInput(
                "too-large", f"{source.size:,} bytes; the limit is {self.max_file_bytes:,}"
            )
        data, _ = self.store("incoming").read(source.name, generation=source.generation)
        if not data:
            raise BadInput("empty-file")
        self._opened.hold(source, data)
        return data

    @contextmanager
    def holding(self, source: Source, data: bytes | None = None) -> Iterator[None]:
        """Share one download of `source`, or its `data`, between the steps of this block."""
        self._opened.expect(source)
        if data is not None:
            self._opened.hold(source, data)
        try:
            yield
        finally:
            self._opened.release(source)

    def remember(self, source: Source, made: object) -> None:
        """Keep what was made of `source` for its next step, for as long as it is held."""
        self._opened.remember(source, made)

    def remembered(self, source: Source) -> object | None:
        """What `remember` was given; None where the step before ran elsewhere."""
        return self._opened.remembered(source)

    def write(self, location: Location, path: str, data: bytes) -> ObjectInfo:
        """Write an object that is made anew from the same source each time.

        Where the very bytes are there already they are left alone; other bytes are
        replaced in the generation that was seen. Raises PreconditionFailed if another
        run replaces them at the same time.
        """
        store = self.store(location)
        try:
            present = store.stat(path)
        except NotFound:
            return store.put(path, data, if_generation=0)
        same = present.size == len(data) and present.crc32c == crc32c(data)
        if same and _reads_as(store, present, data):
            return present
        return store.put(path, data, if_generation=present.generation)


def _reads_as(store: ObjectStore, present: ObjectInfo, data: bytes) -> bool:
    """Whether an object's bytes are what its checksum says: a disk may have lost some."""
    try:
        return store.read(present.name, generation=present.generation)[0] == data
    except (NotFound, BadInput):
        return False


def _settings(block: type[PanoptesNetwork]) -> list[str]:
    return [name for name in block.model_fields if not name.startswith("_")]


def load_network(name: str) -> PanoptesNetwork:
    """The network block of this name; ``environment`` is what `from_environment` gives.

    Raises ConfigurationError if there is none.
    """
    if name == "environment":
        return PanoptesNetwork.from_environment()
    try:
        network = PanoptesNetwork.load(name)
    except RuntimeError as error:
        raise ConfigurationError(
            f"the 'PANOPTES network' block {name!r} is not valid: {first_line(error)}"
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"there is no 'PANOPTES network' block named {name!r}: make one in the Prefect UI "
            "under Blocks, or give the name of another"
        ) from error
    assert isinstance(network, PanoptesNetwork)
    return network
