"""One observation by one camera under its Bayer mask, as real as the science is measured with.

Real stars of Gaia at their places, their light integrated inside each pixel of each colour;
the field drifts and the mount's worm turns, the air takes light by colour, clouds pass, and no
two pixels are alike. What is true (places, magnitudes, transits) is kept beside each frame.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from panoptes.network.simulator.canon_writer import Settings
from panoptes.network.simulator.headers import (
    SITES,
    TARGETS,
    Exposure,
    Generation,
    Site,
    Target,
    header_cards,
    moment,
)
from panoptes.network.simulator.optics import FULL, SCALE, Optics
from panoptes.network.simulator.sensor import (
    BIAS,
    GEOMETRIES,
    READ_VARIANCE,
    SATURATION,
    VARIANCE_PER_ADU,
    FrameSize,
    Geometry,
)
from panoptes.network.simulator.starlight import Shape, stamps
from panoptes.network.simulator.true_stars import TrueStars, true_stars
from panoptes.network.stars.separation import separation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CELL = ((1, 2), (0, 1))
"""Of the Bayer mask in array order, as of RGGB turned upside down: 0 is R, 1 G, 2 B."""
_WITHOUT_MASK = ((1, 1), (1, 1))
_ZERO_POINT = 21.35
"""G of a star of usual colour that gives 1 ADU in 120 s, were all pixels green."""
_SKY = (89.0, 178.0, 128.0)
_EXTINCTION = (0.10, 0.15, 0.25)
"""Magnitudes an airmass in R, G and B."""
_EXTINCTION_OF_COLOUR = (-0.004, 0.0, 0.012)
"""The same for a star that is one standard deviation bluer."""
_PIXEL_RESPONSE = 0.008
_WORM_SECONDS = 480.0
_TOGETHER = 4000
"""Stars that are in memory at once: 20 kilobytes each."""
_DRAWN = ("stars", "mount", "sensor", "clouds", "noise")
"""What is random, each with numbers of its own."""
_SHARED = ("stars", "clouds")
"""What the cameras of a unit see alike."""


@dataclass(frozen=True)
class Transit:
    """A dip with sloping sides."""

    middle: datetime
    hours: float
    depth: float
    """Share of the light."""
    slope: float = 0.15
    """Share of the duration that each side takes."""

    def light(self, when: datetime) -> float:
        away = abs((when - self.middle).total_seconds()) / 3600 / self.hours
        return 1 - self.depth * min(1.0, max(0.0, (0.5 - away) / self.slope))


@dataclass(frozen=True, eq=False)
class TrueFrame:
    """One exposure and what is true of it; arrays of stars are in the order of the sky's."""

    index: int
    began: datetime
    middle: datetime
    airmass: float
    pixels: NDArray[np.uint16]
    """(rows, columns) in array order."""
    optics: Optics
    shape: Shape
    x: Floats
    y: Floats
    flux: Floats
    """(stars, 3): ADU of R, G and B, were all pixels of that colour."""


@dataclass(frozen=True, kw_only=True)
class ObservedSky:
    """One observation; the same arguments give the same frames, each for itself."""

    seed: int = 1
    frame_size: FrameSize = "crop"
    frames: int = 60
    target: Target = TARGETS[0]
    site: Site = SITES[0]
    exposure: float = 120.0
    readout: float = 8.0
    """Seconds."""
    start: datetime | None = None
    """Of the first exposure; None: so that the target culminates half-way, in the season when
    that is at midnight."""
    named: datetime | None = None
    """The time in the observation's name; None: that of its first exposure."""
    faintest: float = 13.0
    moonlight: float = 1.0
    """Times the light of a dark sky."""
    unit_id: str = "PAN001"
    camera_id: str = "ee04d1"
    camera: int = 0
    """Of the unit's: one sky stands over all of them."""
    clouds: bool = True
    has_mask: bool = True
    """Whether the camera has a Bayer mask."""
    moffat: float | None = None
    """Beta of the stars' shape; None: a core and wings, as in real frames."""
    transits: Mapping[str, Transit] | None = None
    """By star id."""

    @property
    def cell(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The colours of two by two pixels, as `CELL`."""
        return CELL if self.has_mask else _WITHOUT_MASK

    @property
    def geometry(self) -> Geometry:
        return GEOMETRIES[self.frame_size]

    @cached_property
    def began(self) -> datetime:
        """Start of the first exposure."""
        if self.start is not None:
            return self.start
        hours = self.frames * (self.exposure + self.readout) / 7200

        def hour_angle(when: datetime) -> float:
            return moment(self.site, self.target, when).hour_angle

        first = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(hours=self.site.longitude / 15)
        midnights = (first + timedelta(days=day) for day in range(365))
        night = min(midnights, key=lambda when: abs(hour_angle(when)))
        sidereal = 0.99727 * (hour_angle(night) + hours)
        return (night - timedelta(hours=sidereal)).replace(microsecond=0)

    def _rng(self, what: str, *more: int) -> np.random.Generator:
        import numpy as np

        other = () if what in _SHARED or not self.camera else (self.camera,)
        entropy = [self.seed, _DRAWN.index(what), *more]
        return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=other))

    @cached_property
    def stars(self) -> TrueStars:
        """All that fall on the sensor in some frame."""
        import numpy as np

        rows, columns = self.geometry.rows, self.geometry.columns
        radius = math.hypot(rows, columns) / 2 * SCALE / 3600 + 0.15
        found = true_stars(
            self._rng("stars"),
            self.target.ra,
            self.target.dec,
            radius=radius,
            when=self.began,
            faintest=self.faintest,
        )
        first, last = self.optics(0), self.optics(self.frames - 1)
        seen = np.zeros(len(found), bool)
        for optics in (first, last):
            x, y = optics.to_pixels(found.ra, found.dec)
            seen |= (x > -25) & (x < columns + 25) & (y > -25) & (y < rows + 25)
        return found[seen]

    def star_near_target(self, brightest: float, faintest: float) -> str:
        """The catalogued star of this range in G that is nearest to the target."""
        import numpy as np

        stars, target = self.stars, self.target
        away = np.array(
            [
                separation(ra, dec, target.ra, target.dec)
                for ra, dec in zip(stars.ra, stars.dec, strict=True)
            ]
        )
        fits = stars.from_gaia & (stars.g >= brightest) & (stars.g <= faintest)
        return str(stars.star_id[np.argmin(np.where(fits, away, np.inf))])

    def middle(self, index: int) -> datetime:
        step = self.exposure + self.readout
        return self.began + timedelta(seconds=index * step + self.exposure / 2)

    def optics(self, index: int) -> Optics:
        """Where frame `index` looks."""
        import numpy as np

        rng = self._rng("mount")
        rows, columns = self.geometry.rows, self.geometry.columns
        angle = 90 + rng.normal(0, 3)
        drift = rng.uniform(3, 6, 2) * rng.choice([-1, 1], 2)
        bend = rng.normal(0, 1, 2)
        worm, phase = rng.uniform(0.6, 1.2), rng.uniform(0, 2 * math.pi)
        turn = rng.normal(0, 0.015)
        # The mount misses by some pixels, and a crop is cut out off the axis of the lens.
        missed, off = rng.normal(0, 8, 2), rng.uniform(-1, 1, 2)
        if self.frame_size == "full":
            off *= 0
        share = index / max(self.frames - 1, 1) - 0.5
        seconds = index * (self.exposure + self.readout)
        swing = worm * math.sin(2 * math.pi * seconds / _WORM_SECONDS + phase)
        jitter = self._rng("mount", index).normal(0, 0.15, 2)
        # Right ascension runs along y.
        x, y = missed + drift * share + bend * share**2 + jitter + np.array([0.0, swing])
        unplaced = Optics(
            ra=self.target.ra + float(off[0]) / math.cos(math.radians(self.target.dec)),
            dec=self.target.dec + float(off[1]),
            centre=(0.0, 0.0),
            angle=angle + turn * share,
        )
        at = unplaced.to_pixels(np.array([self.target.ra]), np.array([self.target.dec]))
        x, y = (columns - 1) / 2 + x - at[0][0], (rows - 1) / 2 + y - at[1][0]
        return replace(unplaced, centre=(float(x), float(y)))

    def shape(self, index: int) -> Shape:
        """How stars look in frame `index`: right ascension moves most, and never alike."""
        rng = self._rng("mount", index, 1)
        moved = Shape(trail=rng.uniform(1.3, 2.6), angle=rng.normal(math.pi / 2, 0.15))
        return moved if self.moffat is None else replace(moved, core=0.9, beta=self.moffat)

    @cached_property
    def _response(self) -> NDArray[np.float32]:
        """Of each pixel, lens shading included."""
        import numpy as np

        rows, columns = self.geometry.rows, self.geometry.columns
        x0, y0 = self.optics(0).centre
        y, x = np.ogrid[:rows, :columns]
        square = ((x - x0) ** 2 + (y - y0) ** 2) / (FULL[0] ** 2 + FULL[1] ** 2) * 4
        response = self._rng("sensor").standard_normal((rows, columns), dtype=np.float32)
        response *= _PIXEL_RESPONSE
        response += 1
        response *= (1 - 0.35 * square).astype(np.float32)
        return response

    def _clear(self, index: int) -> tuple[float, float, float]:
        """Share of the light that clouds leave, and its slope over the frame in x and y."""
        if not self.clouds:
            return 1.0, 0.0, 0.0
        rng = self._rng("clouds")
        when = index / max(self.frames - 1, 1)
        lost = 0.0
        for _ in range(3):
            at, width, depth = rng.uniform(0, 1), rng.uniform(0.03, 0.1), rng.uniform(0, 0.25)
            lost += depth * math.exp(-(((when - at) / width) ** 2) / 2)
        slope = rng.normal(0, 0.15, 2)
        return 1 - min(lost, 0.6), lost * float(slope[0]), lost * float(slope[1])

    def expose(self, index: int) -> TrueFrame:
        """Frame `index`; frames may be asked for in any order."""
        import numpy as np

        rows, columns = self.geometry.rows, self.geometry.columns
        stars, optics, shape = self.stars, self.optics(index), self.shape(index)
        middle = self.middle(index)
        airmass = moment(self.site, self.target, middle).airmass
        x, y = optics.to_pixels(stars.ra, stars.dec)
        green = 10 ** (0.4 * (_ZERO_POINT - stars.g)) * self.exposure / 120
        level, slope_x, slope_y = self._clear(index)
        green *= level + slope_x * (x / columns - 0.5) + slope_y * (y / rows - 0.5)
        for source_id, transit in (self.transits or {}).items():
            green[stars.star_id == source_id] *= transit.light(middle)
        flux = green[:, None] * np.stack([stars.red, np.ones(len(stars)), stars.blue], axis=1)
        taken = np.array(_EXTINCTION) + np.outer(stars.heat, _EXTINCTION_OF_COLOUR)
        flux *= 10 ** (-0.4 * taken * (airmass - 1))

        signal = np.zeros((rows, columns))
        for row, column in np.ndindex(2, 2):
            signal[row::2, column::2] = _SKY[self.cell[row][column]] * self.exposure / 120
        signal *= self.moonlight
        distance = np.hypot(x - optics.centre[0], y - optics.centre[1])
        for bright in (True, False):
            part = ((stars.g < 9.5) == bright).nonzero()[0]
            half = 20 if bright else 10
            for some in np.array_split(part, 1 + len(part) // _TOGETHER):
                left, low, light = stamps(
                    x[some], y[some], shape, half=half, axis_distance=distance[some]
                )
                _add(signal, left, low, light, flux[some], self.cell)
        signal *= self._response
        rng = self._rng("noise", index)
        noise = rng.standard_normal(signal.shape, dtype=np.float32)
        noise *= np.sqrt(READ_VARIANCE + VARIANCE_PER_ADU * signal).astype(np.float32)
        signal += noise
        signal += BIAS
        return TrueFrame(
            index=index,
            began=self.began + timedelta(seconds=index * (self.exposure + self.readout)),
            middle=middle,
            airmass=airmass,
            pixels=np.clip(np.rint(signal), 0, SATURATION).astype(np.uint16),
            optics=optics,
            shape=shape,
            x=x,
            y=y,
            flux=flux,
        )

    def exposures(self) -> Iterator[TrueFrame]:
        """All frames, one at a time."""
        return (self.expose(index) for index in range(self.frames))

    @property
    def sequence_time(self) -> str:
        return f"{self.named or self.began:%Y%m%dT%H%M%S}"

    @property
    def sequence_id(self) -> str:
        return f"{self.unit_id}_{self.camera_id}_{self.sequence_time}"

    def samples(self, frame: TrueFrame) -> NDArray[np.uint16]:
        """All that the sensor has of a frame, masked border and all, top row first."""
        return self.geometry.framed(frame.pixels[::-1], self._rng("sensor", 1, frame.index))

    def told(self, frame: TrueFrame) -> Exposure:
        """What the unit writes of a frame."""
        digest = hashlib.sha256(f"{self.unit_id}/{self.camera_id}".encode()).hexdigest()
        return Exposure(
            unit_id=self.unit_id,
            camera_id=self.camera_id,
            sequence_time=self.sequence_time,
            image_time=f"{frame.began:%Y%m%dT%H%M%S}",
            index=frame.index,
            count=self.frames,
            site=self.site,
            target=self.target,
            settings=Settings(
                taken=frame.began.replace(tzinfo=None),
                exposure=self.exposure,
                serial=f"{int(digest[:10], 16) % 10**12:012d}",
                internal_serial=f"HA{int(digest[10:18], 16) % 10**7:07d}",
                temperature=11 + frame.index // 4,
                borders=self.geometry.borders,
            ),
            has_mask=self.has_mask,
        )

    def fits(self, frame: TrueFrame, generation: Generation = "new") -> tuple[str, bytes]:
        """A frame as POCS writes and names it, without a WCS."""
        from panoptes.network.fits.plain import FitsImage, fits_bytes

        exposure = self.told(frame)
        name = f"{exposure.folder}/{exposure.image_time}.fits"
        cards = tuple(header_cards(exposure, generation))
        return name, fits_bytes([FitsImage(cards, frame.pixels)])

    def write(self, folder: Path, generation: Generation = "new") -> list[Path]:
        """All frames below a folder, under the names of a unit, and ``extra-stars.csv``."""
        paths = []
        for frame in self.exposures():
            name, data = self.fits(frame, generation)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            paths.append(path)
        (folder / "extra-stars.csv").write_text(self.stars.extra_csv(), encoding="utf-8")
        return paths


def _add(
    signal: Floats,
    left: NDArray[np.int64],
    low: NDArray[np.int64],
    light: Floats,
    flux: Floats,
    cell: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    """Stars' light through the mask onto the pixels."""
    import numpy as np

    rows, columns = signal.shape
    side = np.arange(light.shape[1])
    at_x, at_y = left[:, None] + side, low[:, None] + side
    colour = np.array(cell)[at_y[:, :, None] & 1, at_x[:, None, :] & 1]
    light *= np.take_along_axis(flux, colour.reshape(len(flux), -1), axis=1).reshape(light.shape)
    inside = ((at_y >= 0) & (at_y < rows))[:, :, None] & ((at_x >= 0) & (at_x < columns))[
        :, None, :
    ]
    flat = (at_y[:, :, None] * columns + at_x[:, None, :])[inside]
    np.add.at(signal.reshape(-1), flat, light[inside])
