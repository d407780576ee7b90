"""What callers of the services send and get, as the OpenAPI page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from panoptes.network.lookup.resolved import MAX_SEARCH_STRING, Resolved
from panoptes.network.search import Cone, Wanted

Text = Annotated[str, Field(max_length=200)]
Id = Annotated[str, Field(max_length=100)]
FirstYear, LastYear = 1900, 2100


def _utc(moment: datetime) -> datetime:
    """Times without a zone are UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.utcoffset() is None else moment
    if not FirstYear <= aware.year <= LastYear:
        raise ValueError(f"the year is not between {FirstYear} and {LastYear}")
    return aware.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]


class Problem(BaseModel):
    """Why there is no answer."""

    success: Literal[False] = False
    message: str = Field(description="a sentence for people")
    code: str | None = Field(None, description="of a file that cannot be read")
    next_step: str | None = Field(None, description="what to do about it")


class LookupRequest(BaseModel):
    """A name, or coordinates in any notation."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"search_string": "M42"}]}, extra="ignore"
    )
    search_string: str = Field(
        min_length=1,
        max_length=MAX_SEARCH_STRING,
        description="for example M42, Andromeda Galaxy, HD 189733, Moon, 05h35m17s -05d23m28s",
    )
    time: Moment | None = Field(None, description="of what moves; UTC unless it says otherwise")


class LookupAnswer(Resolved):
    """A place on the sky in degrees (ICRS), and who says so."""

    success: Literal[True] = True


class HeaderRequest(BaseModel):
    """A stored FITS file."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"bucket_path": "PAN001/14d3bd/20180216T110623/20180216T112430.fits.fz"}]
        },
        extra="ignore",
    )
    bucket_path: str = Field(
        min_length=1,
        max_length=4096,
        description="UNIT/CAMERA/SEQUENCE/IMAGE.fits.fz, or its gs:// or public URL",
    )
    bucket_name: str | None = Field(
        None, max_length=300, description="a bucket, or a location such as images or rgb"
    )
    hdu: Annotated[int, Field(ge=0)] | Text | None = Field(
        None, description="an HDU by number or name, or 'all'; the image's own by default"
    )


class HduAnswer(BaseModel):
    """What an HDU is, and what in its header breaks the standard."""

    index: int
    name: str | None
    version: int
    kind: str
    problems: list[str]


class HeadedHdu(HduAnswer):
    """An HDU with its header."""

    header: dict[str, Any]


class HeaderAnswer(BaseModel):
    """The header: keyword to value; COMMENT, HISTORY and repeated keywords are lists."""

    success: Literal[True] = True
    header: dict[str, Any]
    location: str
    path: str
    hdu: HduAnswer
    headers: list[HeadedHdu] | None = None


ImageTypes = Literal[
    "light", "dark", "bias", "flat", "focus", "pointing", "alignment", "any"
]  # fmt: skip


def image_types(wanted: Sequence[str]) -> frozenset[str] | None:
    """For `Wanted`: None for any."""
    return None if "any" in wanted else frozenset(wanted)


class Selection(BaseModel):
    """Which observations: all that is given must hold."""

    model_config = ConfigDict(extra="forbid")
    unit_id: list[Id] = Field([], max_length=30, description="one of these units")
    camera_id: list[Id] = Field([], max_length=30, description="one of these cameras")
    status: list[Id] = Field([], max_length=30, description="one of these")
    field_name: Text | None = Field(None, description="in any case; * stands for any text")
    tag: list[Text] = Field([], max_length=30, description="all of these")
    image_type: list[ImageTypes] = Field(
        ["light"], max_length=10, description="what their exposures are for; `any` for all"
    )
    start: Moment | None = Field(None, description="begun at this time or later")
    end: Moment | None = Field(None, description="begun at this time or earlier")
    min_num_images: int | None = Field(None, ge=0, le=2**53)
    max_num_images: int | None = Field(None, ge=0, le=2**53)
    ra: float | None = Field(None, ge=0, le=360, description="degrees, ICRS; with dec")
    dec: float | None = Field(None, ge=-90, le=90, description="degrees, ICRS; with ra")
    near: Text | None = Field(None, description="a name or coordinates, instead of ra and dec")
    radius: float = Field(10, ge=0, le=180, description="degrees around that place")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.ra is None) != (self.dec is None):
            raise ValueError("ra and dec belong together: give both, or neither")
        if self.near is not None and self.ra is not None:
            raise ValueError("near and ra, dec are two places: give one of them")
        return self

    def wanted(self, place: tuple[float, float] | None) -> Wanted:
        """The search; `place` is where `near` is."""
        if place is None and self.ra is not None and self.dec is not None:
            place = (self.ra, self.dec)
        return Wanted(
            unit_ids=frozenset(self.unit_id),
            camera_ids=frozenset(self.camera_id),
            statuses=frozenset(self.status),
            field_name=self.field_name,
            tags=frozenset(self.tag),
            image_types=image_types(self.image_type),
            start=self.start,
            end=self.end,
            min_num_images=self.min_num_images,
            max_num_images=self.max_num_images,
            cone=None if place is None else Cone(*place, self.radius),
        )


class PagedSelection(Selection):
    """Which observations, a page at a time."""

    limit: int = Field(100, ge=1, le=1000, description="the most in one page")
    cursor: str | None = Field(
        None, max_length=400, description="`next` of the page before, to go on behind it"
    )


class ObservationsPage(BaseModel):
    """Observations, the newest first. A page may be short while more follows."""

    success: Literal[True] = True
    observations: list[dict[str, Any]]
    next: str | None = Field(description="cursor of the next page, null at the end")


class ImagesPage(BaseModel):
    """Images of one observation, the oldest first."""

    success: Literal[True] = True
    images: list[dict[str, Any]]
    next: str | None = Field(description="cursor of the next page, null at the end")
