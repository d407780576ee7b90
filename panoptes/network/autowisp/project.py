"""What AutoWISP asks of a project: its instruments, its settings, and the cards of its images.

Names of cards are those that its options have by default (`wisp-calibrate --help`), so that
images are added without any setting. Camera, lens, mount, observer and observatory must be in
its survey beforehand: `survey_json` is for ``wisp-survey import``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from panoptes.network.fits.plain import CardTuple
from panoptes.network.plate_solving.solving import FOCAL_LENGTH
from panoptes.network.processing.exposures import Exposure

VERSION = "2.3"
"""Of AutoWISP, of which the folder was tried."""
FOCAL_RATIO = 1.4
"""Of the lens of a unit."""
GAIN, READ_NOISE, BIAS, SATURATION = 0.7, 5.0, 2048, 13_000
"""Electrons an ADU, electrons, ADU and ADU: as measured on frames of PAN001."""


@dataclass(frozen=True)
class Instrument:
    """Whose images they are."""

    unit_id: str
    camera_id: str
    camera_serial: str
    """As the camera says it; its id where it does not."""
    make_and_model: str
    columns: int
    rows: int
    pixel: float
    """Micrometres."""
    pattern: str
    """Of the Bayer mask: the colours of two pixels of the first row and two of the second."""
    latitude: float
    """Degrees, as `longitude`, east positive."""
    longitude: float
    elevation: float
    """Metres."""


@dataclass(frozen=True)
class Field:
    """Where an observation looks."""

    sequence_id: str
    name: str
    ra: float
    """Degrees, as `dec`."""
    dec: float


def image_cards(exposure: Exposure, instrument: Instrument, field: Field) -> list[CardTuple]:
    """Of an image. Its place is that of the observation: AutoWISP wants one to a target."""
    begun = exposure.middle - timedelta(seconds=exposure.seconds / 2)
    cards: list[CardTuple] = [
        ("DATE-OBS", f"{begun:%Y-%m-%d}", "UTC, start of the exposure"),
        ("TIME-OBS", f"{begun:%H:%M:%S.%f}", "UTC, start of the exposure"),
        ("EXPTIME", exposure.seconds, "[s]"),
        # AutoWISP writes the observer, which it knows by ORIGIN, into OBSERVER, by which it
        # then looks for the mount: all are of one name.
        ("ORIGIN", instrument.unit_id, "unit, who observes"),
        ("OBSERVER", instrument.unit_id, "unit, and its mount"),
        ("CAMSN", instrument.camera_serial, "camera"),
        ("INTSN", lens_of(instrument), "lens"),
        ("LAT-OBS", instrument.latitude, "[deg] north"),
        ("LONG-OBS", instrument.longitude, "[deg] east"),
        ("ALT-OBS", instrument.elevation, "[m]"),
        ("FIELD", field.name, ""),
        ("RA-MNT", field.ra, "[deg] of the observation"),
        ("DEC-MNT", field.dec, "[deg] of the observation"),
        ("SEQID", field.sequence_id, "observation"),
        ("IMAGEID", exposure.image_id, "image"),
        ("IMAGETYP", "object", ""),
        ("BAYERPAT", instrument.pattern, "in the order of the array"),
    ]
    if math.isfinite(exposure.airmass):
        cards.append(("AIRMASS", exposure.airmass, ""))
    if exposure.wcs is not None:
        ra, dec = exposure.wcs.crval
        cards += [
            ("RA-IMG", ra, "[deg] ICRS, the image's middle by its stars"),
            ("DEC-IMG", dec, "[deg] ICRS, the image's middle by its stars"),
        ]
    return cards


def pixel_size(scale: float) -> float:
    """Micrometres, of a pixel that sees `scale` arcseconds."""
    return round(scale * FOCAL_LENGTH / 206.265, 3)


def lens_of(instrument: Instrument) -> str:
    """A serial number for the lens, which nobody knows: that of its camera."""
    return f"lens of {instrument.unit_id} {instrument.camera_id}"


def survey_json(instrument: Instrument) -> str:
    """The instruments, for ``wisp-survey import``."""
    channels = {
        name: {"x offset": x, "x step": 2, "y offset": y, "y step": 2}
        for name, (x, y) in channels_of(instrument.pattern).items()
    }
    survey = {
        "cameras": [
            _typed(
                {
                    "make": "Canon" if "canon" in instrument.make_and_model.casefold() else "?",
                    "model": instrument.make_and_model,
                    "version": "?",
                    "sensor type": "CMOS",
                    "x resolution": instrument.columns,
                    "y resolution": instrument.rows,
                    "pixel size": instrument.pixel,
                    "channels": channels,
                },
                instrument.camera_serial,
                f"camera {instrument.camera_id} of {instrument.unit_id}",
            )
        ],
        "telescopes": [
            _typed(
                {
                    "make": "Rokinon",
                    "model": "85M-C",
                    "version": "?",
                    "focal ratio": FOCAL_RATIO,
                    "focal length": FOCAL_LENGTH,
                },
                lens_of(instrument),
                "its serial number is not known",
            )
        ],
        "mounts": [
            _typed(
                {"make": "iOptron", "model": "iEQ30 Pro", "version": "?"},
                instrument.unit_id,
                "its serial number is not known",
            )
        ],
        "observers": [
            {"name": instrument.unit_id, "email": "", "phone": "", "notes": "Project PANOPTES"}
        ],
        "observatories": [
            {
                "name": instrument.unit_id,
                "latitude": instrument.latitude,
                "longitude": instrument.longitude,
                "altitude": instrument.elevation,
            }
        ],
    }
    return json.dumps(survey, indent=2) + "\n"


def _typed(kind: Mapping[str, Any], serial: str, notes: str) -> dict[str, Any]:
    device = {"serial no": serial, "notes": notes}
    return {**kind, "notes": "", "devices": [device]}


def channels_of(pattern: str) -> dict[str, tuple[int, int]]:
    """Column and row of the first pixel of each colour; the greens are G1 and G2."""
    found: dict[str, tuple[int, int]] = {}
    for at, colour in enumerate(pattern):
        name = colour if colour != "G" else f"G{1 + ('G1' in found)}"
        found[name] = (at % 2, at // 2)
    return dict(sorted(found.items()))


def settings_text(instrument: Instrument) -> str:
    """The project's settings, where they are not AutoWISP's own."""
    width = instrument.columns * instrument.pixel / FOCAL_LENGTH * 0.0573
    height = instrument.rows * instrument.pixel / FOCAL_LENGTH * 0.0573
    return (
        "# What differs from AutoWISP's own settings.\n"
        f"gain = {GAIN}\n"
        f"read-noise-electrons = {READ_NOISE}\n"
        f"bias-level-adu = {BIAS}\n"
        f"saturation-threshold = {SATURATION}\n"
        f"frame-fov-estimate = {width:.2f} * units.deg, {height:.2f} * units.deg\n"
    )


SCRIPT = '''"""Make an AutoWISP project of this folder, and add its images.

Run it with the Python that AutoWISP is installed in:

    python make_project.py              # the project, with its images
    python make_project.py calibrate find_stars     # and these of AutoWISP's steps
"""

import sys
from argparse import Namespace
from pathlib import Path

from autowisp import run_pipeline
from autowisp.database import defaults
from autowisp.database.initialize_database import initialize_database
from autowisp.database.interface import set_project_home
from autowisp.database.user_interface import (
    apply_master_config,
    import_json_to_survey,
    parse_config_overwrites,
)


NOT_TAKEN = ("zero", "dark", "flat")


def masters():
    """AutoWISP's own, but for bias, dark and flat frames, which units do not take."""
    chosen = {}
    for kind, known in defaults.master_info.items():
        name = kind.removeprefix("high").removeprefix("low")
        chosen[f"master-{name}-enabled"] = "0" if name in NOT_TAKEN else "always"
        chosen[f"master-{name}-split"] = sorted(known["split_by"])
        chosen[f"master-{name}-match"] = sorted(known["must_match"])
    return chosen


def main(steps):
    here = Path(__file__).resolve().parent
    project = here / "project"
    project.mkdir()
    set_project_home(str(project), new_project=True)
    initialize_database(
        Namespace(drop_hdf5_structure_tables=False, drop_all_tables=True),
        *apply_master_config(masters()),
        parse_config_overwrites((here / "settings.cfg").read_text().splitlines()),
    )
    with (here / "survey.json").open() as survey:
        import_json_to_survey(survey)
    run_pipeline.main(
        Namespace(
            project_home=str(project),
            add_raw_images=[str(here / "images")],
            steps=steps,
            step_imtypes=[],
            detached=False,
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
'''


def readme_text(instrument: Instrument, field: Field, images: int) -> str:
    """What is in the folder, and what to do with it."""
    return (
        f"# {field.sequence_id} for AutoWISP\n\n"
        f"{images} images of {field.name} by camera {instrument.camera_id} of "
        f"{instrument.unit_id}, as a folder that AutoWISP {VERSION} takes as it is:\n\n"
        "    python3 -m venv wisp\n"
        "    wisp/bin/pip install autowisp\n"
        "    wisp/bin/python make_project.py\n\n"
        "That makes `project/`, enters the instruments and adds the images. Then go on in "
        "AutoWISP's own pages (`wisp/bin/wisp-bui`), or name its steps: "
        "`make_project.py calibrate find_stars`. Solving and what follows want a catalogue from "
        "the network, and a person chooses the reference frame.\n\n"
        "| file | what it is |\n|---|---|\n"
        "| `images/` | the frames, uncompressed, pixels as the camera gave them |\n"
        "| `survey.json` | camera, lens, mount, observer and observatory: `wisp-survey import` |\n"
        "| `settings.cfg` | what differs from AutoWISP's own settings |\n"
        "| `make_project.py` | puts them together |\n\n"
        "Headers are written anew for AutoWISP. Times are UTC; `RA-MNT`, `DEC-MNT` are those of "
        "the observation, `RA-IMG`, `DEC-IMG` where the stars say that the image looks. Lens and "
        "mount have names in place of serial numbers, which are not known. Gain, read noise, bias "
        "and saturation are those of Canon cameras at ISO 100.\n"
    )
