"""Write an observation's frames, and what AutoWISP needs beside them, into a new folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from panoptes.network.autowisp.project import (
    SCRIPT,
    Field,
    Instrument,
    image_cards,
    pixel_size,
    readme_text,
    settings_text,
    survey_json,
)
from panoptes.network.catalog.catalog import Fields
from panoptes.network.catalog.values import number, text
from panoptes.network.fits.plain import FitsImage, fits_bytes
from panoptes.network.names import ObservationName, parse_sequence_id
from panoptes.network.photometry.measurements import UNMASKED
from panoptes.network.processing.exposures import (
    Exposure,
    FrameLost,
    LeftOut,
    exposures_of,
    frame_of,
)
from panoptes.network.site import Site

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CannotExport(Exception):
    """There is nothing that could be exported, or nowhere to; the message says why."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    sequence_id: str
    folder: Path
    images: int
    left_out: list[LeftOut] = field(default_factory=list)


def export(
    site: Site, sequence_id: str, folder: Path, *, on_frame: Callable[[], None] = lambda: None
) -> Exported:
    """Into a folder that is not there yet, or empty. One frame is held at a time.

    Raises CannotExport, TransientError, and OSError where the folder cannot be written.
    """
    try:
        sequence = parse_sequence_id(sequence_id)
    except ValueError as error:
        raise CannotExport(str(error)) from error
    observation = site.catalog.get("observations", sequence.sequence_id)
    if observation is None:
        raise CannotExport(f"the catalogue has no observation {sequence.sequence_id}")
    target = _field(sequence, observation.fields)
    latitude, longitude, elevation = _place(site, sequence)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CannotExport(f"{folder} is not empty: name a folder that is not there yet")
    exposures, left = exposures_of(site, sequence.sequence_id, observation.fields)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    instrument: Instrument | None = None
    written = 0
    for exposure, pixels, pattern in _frames(site, exposures, left):
        rows, columns = pixels.shape
        if instrument is None:
            instrument = _instrument(
                site,
                sequence,
                (rows, columns, pattern),
                pixel_size(exposure.scale),
                (latitude, longitude, elevation),
            )
        if (rows, columns, pattern) != (instrument.rows, instrument.columns, instrument.pattern):
            why = "its shape or mask is not that of the observation's first image"
            left.append(LeftOut(exposure.image_id, why))
            continue
        cards = tuple(image_cards(exposure, instrument, target))
        data = fits_bytes([FitsImage(cards, pixels)])
        (images / f"{exposure.image_id.replace(' ', '-')}.fits").write_bytes(data)
        written += 1
        on_frame()
    if instrument is None:
        images.rmdir()
        said = f"; the first, {left[0].image_id}: {left[0].reason}" if left else ""
        raise CannotExport(f"{sequence.sequence_id} has no image that can be exported{said}")
    for name, written_text in {
        "survey.json": survey_json(instrument),
        "settings.cfg": settings_text(instrument),
        "make_project.py": SCRIPT,
        "README.md": readme_text(instrument, target, written),
    }.items():
        (folder / name).write_text(written_text, encoding="utf-8")
    return Exported(sequence.sequence_id, folder, written, left)


def _frames(
    site: Site, exposures: list[Exposure], left: list[LeftOut]
) -> Iterator[tuple[Exposure, NDArray[np.uint16], str]]:
    for exposure in exposures:
        try:
            pixels, pattern = frame_of(site, exposure)
        except FrameLost as lost:
            left.append(lost.left_out)
            continue
        if pattern == UNMASKED:
            left.append(LeftOut(exposure.image_id, "its camera has no Bayer mask"))
        else:
            yield exposure, pixels, pattern


def _field(sequence: ObservationName, said: Fields) -> Field:
    ra, dec = number(said, "ra"), number(said, "dec")
    if ra is None or dec is None:
        raise CannotExport(f"nothing says where {sequence.sequence_id} looks")
    name = (text(said, "field_name") or "").strip()
    return Field(sequence.sequence_id, name or sequence.sequence_id, ra, dec)


def _place(site: Site, sequence: ObservationName) -> tuple[float, float, float]:
    place = site.place(sequence.unit_id)
    if place is None:
        raise CannotExport(
            f"AutoWISP needs the place of {sequence.unit_id}, which is not known: enter it by "
            f"panoptes-network unit add {sequence.unit_id} --lat ... --lon ... --elevation ..."
        )
    return (*place[0], place[1])


def _instrument(
    site: Site,
    sequence: ObservationName,
    frame: tuple[int, int, str],
    pixel: float,
    place: tuple[float, float, float],
) -> Instrument:
    stored = site.catalog.get("cameras", f"{sequence.unit_id}_{sequence.camera_id}")
    said = stored.fields if stored else {}
    serial, model = text(said, "serial_number"), text(said, "model")
    rows, columns, pattern = frame
    return Instrument(
        unit_id=sequence.unit_id,
        camera_id=sequence.camera_id,
        camera_serial=serial or sequence.camera_id,
        make_and_model=model or "not known",
        columns=columns,
        rows=rows,
        pixel=pixel,
        pattern=pattern,
        latitude=place[0],
        longitude=place[1],
        elevation=place[2],
    )
