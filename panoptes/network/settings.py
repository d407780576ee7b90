"""A network's settings: where its files and documents are kept, and how they are treated."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator

from panoptes.network.addresses import checked_catalog, checked_store
from panoptes.network.documents import Location
from panoptes.network.errors import ConfigurationError

LOCATIONS: tuple[Location, ...] = get_args(Location)
Compression = Literal["GZIP_2", "RICE_1"]

LEAST_QUARANTINE_DAYS = 90
_WHERE = "A folder, or gs://BUCKET or gs://BUCKET/PREFIX."


class NetworkSettings(BaseModel):
    """Where a network's files and documents are kept, and how they are treated."""

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
    measurements: str | None = Field(
        None,
        description="Where light curves of observations are put, as Parquet files. Without it "
        f"none are made. {_WHERE}",
    )
    tables: str | None = Field(
        None,
        description="Where tables of the catalogue are put for everybody to read, such as "
        f"observations.csv; empty: nowhere. {_WHERE}",
    )
    site_url: str | None = Field(
        None,
        description="Where people find the network's web pages, such as "
        "https://panoptes.example.org; reports in Prefect link there. Empty: no links.",
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
    measurements_wanted: bool = Field(
        True,
        description="Measure the sky and the stars of every light image, and solve by them where "
        "it looks; at most half a second of the processor an image.",
    )
    workers: int = Field(
        0,
        ge=0,
        le=256,
        description="Images in the works at once in one run; 0: one a core, "
        "or one a thread of a cluster.",
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
        le=86_400,
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
    daily_bytes: int = Field(
        0,
        ge=0,
        description="What a unit may send a UTC day, unless it is registered with a limit of its "
        "own; what is over it waits in incoming and is taken later. Bytes; 0: no limit.",
    )
    silent_hours: float = Field(
        48.0, gt=0, description="A unit that was not heard of for so long fell silent."
    )
    least_free_percent: float = Field(
        10.0, ge=0, le=100, description="A disk of the network's folders with less is nearly full."
    )
    failure_limit: int = Field(
        10, ge=1, description="A file that failed this often waits for an operator."
    )
    history_days: int = Field(
        90,
        ge=1,
        description="How long Prefect keeps runs that have ended, with their logs, artifacts and "
        "results; `apply-retention` removes what is older.",
    )
    quarantine_days: int = Field(
        0,
        ge=0,
        description="How long the copy of a quarantined file is kept after it was judged, if "
        "nobody has put it back: 0 for ever, else 90 or more.",
    )
    ledger_days: int = Field(
        0,
        ge=0,
        description="How long the ledger remembers a quarantined file after its copy was removed; "
        "0: for ever. What was archived is remembered for ever.",
    )

    @field_validator("quarantine_days")
    @classmethod
    def _is_long(cls, value: int) -> int:
        if 0 < value < LEAST_QUARANTINE_DAYS:
            raise ValueError(
                f"{value} days are too few for people to look at what was quarantined: give "
                f"{LEAST_QUARANTINE_DAYS} or more, or 0 to keep it for ever"
            )
        return value

    @field_validator(*LOCATIONS)
    @classmethod
    def _is_a_place_of_files(cls, value: str) -> str:
        return checked_store(value)

    @field_validator("tables", "measurements")
    @classmethod
    def _is_a_place_or_none(cls, value: str | None) -> str | None:
        return checked_store(value) if value else None

    @field_validator("site_url")
    @classmethod
    def _is_an_address_or_none(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"https?://[^\s()<>\[\]\"']{1,500}", value):
            raise ValueError("it must be an address that begins with http:// or https://")
        return value or None

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
        places: dict[str, Any] = {name: str(root / name) for name in (*LOCATIONS, "measurements")}
        if incoming is not None:
            places |= {"incoming": str(incoming.expanduser().resolve()), "keep_incoming": True}
        return cls(**places | {"catalog": f"sqlite:///{root}/catalog.sqlite"} | policies)

    @classmethod
    def from_environment(cls) -> Self:
        """The network that variables such as ``PANOPTES_INCOMING`` describe, one a field.

        `rawpy_options` is JSON. Raises ConfigurationError naming the variable at fault.
        """
        given = {name: os.environ.get(f"PANOPTES_{name.upper()}") for name in cls.model_fields}
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
