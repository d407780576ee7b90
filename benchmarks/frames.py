"""The frames that are measured: 5208 x 3476 pixels of 16 bit, as `.fits` and as `.cr2`.

`dark` holds the samples of the shared full-size raw where that is at hand, else a simulated
dark sky; `bright` a simulated sky under moonlight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from panoptes.network.simulator.canon_writer import Settings, cr2_bytes
from panoptes.network.simulator.headers import SITES, TARGETS, Exposure, header_cards
from panoptes.network.simulator.observed_sky import ObservedSky
from panoptes.network.simulator.sensor import FrameSize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from panoptes.network.fits.plain import CardTuple

    Samples = NDArray[np.uint16]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
_RAW = SHARED / "raw" / "sim_100d_full.cr2"
_SOLVED = SHARED / "panoptes" / "pocs_solved_342cards.fits"
_MOONLIGHT = 10
"""Times the sky of a dark night."""


@dataclass(frozen=True)
class Frame:
    """One exposure in the two forms in which it is uploaded."""

    name: str
    fits: Path
    cr2: Path


def make_frames(folder: Path) -> tuple[Frame, Frame]:
    """The dark and the bright frame."""
    if _RAW.exists():
        dark = _write(folder, "dark", _visible(_RAW.read_bytes()), _RAW.read_bytes())
    else:
        dark = _simulated(folder, "dark", "full", 1)
    return dark, _simulated(folder, "bright", "full", _MOONLIGHT)


def small_frame(folder: Path) -> Frame:
    """506 x 340 pixels of a dark sky."""
    return _simulated(folder, "small", "small", 1)


def solved_header_frame(folder: Path) -> Path:
    """A small frame with a plate solution's cards: the real one of 342, else as many made up."""
    if _SOLVED.exists():
        return _SOLVED
    import numpy as np

    from panoptes.network.fits.plain import FitsImage, fits_bytes

    cards: list[CardTuple] = [(f"A_{n // 18}_{n % 18}", 1e-7 * n, "SIP") for n in range(342)]
    path = folder / "solved.fits"
    path.write_bytes(fits_bytes([FitsImage(tuple(cards), np.zeros((200, 300), np.uint16))]))
    return path


def origin() -> str:
    """Where the dark frame comes from, for the report."""
    return _RAW.name if _RAW.exists() else "the simulator"


def _visible(cr2: bytes) -> Samples:
    import io

    import rawpy

    with rawpy.imread(io.BytesIO(cr2)) as raw:
        return raw.raw_image_visible.copy()


def _simulated(folder: Path, name: str, size: FrameSize, moonlight: int) -> Frame:
    """Under a sky of `moonlight` times the light of a dark one."""
    sky = ObservedSky(seed=20180216, frame_size=size, frames=1, moonlight=moonlight)
    frame = sky.expose(0)
    settings = replace(_EXPOSURE.settings, borders=sky.geometry.borders)
    return _write(folder, name, frame.pixels[::-1], cr2_bytes(sky.samples(frame), settings))


def _write(folder: Path, name: str, visible: Samples, cr2: bytes) -> Frame:
    from panoptes.network.fits.plain import FitsImage, fits_bytes

    # One header serves many images: what would contradict their paths is left out.
    cards = [c for c in header_cards(_EXPOSURE, "old") if c[0] not in ("SEQID", "IMAGEID")]
    frame = Frame(name, folder / f"{name}.fits", folder / f"{name}.cr2")
    # Upside down, as the units' cr2_to_fits writes it.
    frame.fits.write_bytes(fits_bytes([FitsImage(tuple(cards), visible[::-1])]))
    frame.cr2.write_bytes(cr2)
    return frame


_EXPOSURE = Exposure(
    unit_id="PAN001",
    camera_id="14d3bd",
    sequence_time="20260115T060000",
    image_time="20260115T060100",
    index=0,
    count=1,
    site=SITES[0],
    target=TARGETS[0],
    settings=Settings(taken=datetime(2026, 1, 15, 6, 1, tzinfo=UTC).replace(tzinfo=None)),
)
