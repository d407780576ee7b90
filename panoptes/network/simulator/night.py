"""Everything that simulated units upload in one night, and what should become of it."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from panoptes.network.file_types import FileType
from panoptes.network.simulator.canon_writer import cr2_bytes
from panoptes.network.simulator.headers import SITES, Exposure, Generation, target_up
from panoptes.network.simulator.observed_sky import ObservedSky, Transit
from panoptes.network.simulator.sensor import FrameSize

Sink: TypeAlias = Callable[[str, bytes], object]
Fate: TypeAlias = Literal["archived", "filed", "quarantined"]

START = datetime(2026, 1, 15, 6, tzinfo=UTC)
_DIPPING = (9.0, 9.6)
"""G of a star whose light is measured well and clips no pixel."""
_SETTLING = 40
"""Seconds from an observation's name to its first exposure."""


@dataclass(frozen=True)
class Sent:
    """One upload, and what the network should make of it."""

    name: str
    file_type: FileType | None
    """None where the name does not say."""
    size: int
    sha256: str
    image_id: str | None
    """None for what belongs to no image."""
    sequence_id: str | None
    fate: Fate
    code: str | None = None
    """Why it is quarantined: a key of `panoptes.network.errors.ADVICE`."""


@dataclass(frozen=True, kw_only=True)
class Night:
    """Which units observe, how much, and what they send.

    Every unit makes `observations` observations one after the other, with `images` exposures
    on each of its `cameras`. An image arrives as ``.fits.fz`` from a unit's first camera and as
    ``.fits`` from its second, with a ``.jpg``; the first of an observation as ``.cr2``, too,
    and at the end a timelapse. `oddities` adds, for each observation of the first camera, an
    image in the older path with a field name, one that is cut short and a name that fits no
    grammar.
    """

    seed: int = 1
    units: int = 1
    cameras: int = 2
    observations: int = 1
    images: int = 3
    frame_size: FrameSize = "small"
    start: datetime = START
    exposure: float = 120.0
    """Seconds."""
    pause: float = 8.0
    """Seconds from the end of an exposure to the next."""
    generation: Generation | None = None
    """None: the older keywords from every second unit."""
    oddities: bool = True
    dip: float = 0.0
    """Share of its light that a star of each field loses for half of the observation."""

    @property
    def files(self) -> int:
        """How many files the units send."""
        of_cameras = self.cameras * (2 * self.images + 2)
        return self.units * self.observations * (of_cameras + (3 if self.oddities else 0))

    @property
    def seconds(self) -> float:
        """From the first observation's begin to the last one's end."""
        return self.observations * self._longest

    def send(self, sink: Sink | Path) -> list[Sent]:
        """Send everything to a callable, or into a folder, whole under its final name.

        Gives back what was sent, in that order; the same seed sends the same bytes.
        """
        sent: list[Sent] = []
        for upload, data in self.uploads():
            if isinstance(sink, Path):
                path = sink / upload.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            else:
                sink(upload.name, data)
            sent.append(upload)
        return sent

    def uploads(self) -> Iterator[tuple[Sent, bytes]]:
        """File by file in the order in which the units send them; nothing is kept."""
        for unit in range(self.units):
            for observation in range(self.observations):
                for camera in range(self.cameras):
                    yield from self._observe(unit, observation, camera)

    def _observe(self, unit: int, observation: int, camera: int) -> Iterator[tuple[Sent, bytes]]:
        from panoptes.network.fits.archive import compress_fits
        from panoptes.network.pictures import preview

        sky = self.sky(unit, observation, camera)
        odd = self.oddities and camera == 0
        count = self.images + (2 if odd else 0)
        for index in range(count):
            frame = sky.expose(index)
            exposure = sky.told(frame)
            jpeg = preview(frame.pixels[::-1], pattern="RGGB")
            _, fits = sky.fits(frame, self.generation or ("new", "old")[unit % 2])
            file_type, suffix = FileType.FITS, ".fits"
            if camera % 2 == 0:
                fits = compress_fits(fits, method="RICE_1").data
                file_type, suffix = FileType.FITS_FZ, ".fits.fz"
            name = f"{exposure.folder}/{exposure.image_time}"
            if index == 0:
                cr2 = cr2_bytes(sky.samples(frame), exposure.settings)
                yield _sent(exposure, f"{name}.cr2", cr2, FileType.CR2)
            if index < self.images:
                yield _sent(exposure, f"{name}{suffix}", fits, file_type)
                yield _sent(exposure, f"{name}.jpg", jpeg, FileType.JPG)
            elif index == self.images:
                yield _sent(exposure, f"{exposure.older_name}{suffix}", fits, file_type)
            else:
                cut = fits[: len(fits) * 3 // 5]
                yield _sent(exposure, f"{name}{suffix}", cut, file_type, "truncated-file")
            if index == 0 and odd:
                dome = f"{exposure.unit_id}/{exposure.camera_id}/from the dome"
                dome = f"{dome} {exposure.sequence_time}.jpg"
                yield _sent(exposure, dome, jpeg, None, "unroutable-name")
            if index == count - 1:
                yield _sent(exposure, f"{exposure.folder}.mp4", mp4_bytes(jpeg), FileType.MP4)

    def dipping(self, unit: int = 0, observation: int = 0) -> str:
        """The star of this field that loses light."""
        return self._field(unit, observation, 0).star_near_target(*_DIPPING)

    def sky(self, unit: int, observation: int, camera: int) -> ObservedSky:
        """What a camera sees in one observation."""
        sky = self._field(unit, observation, camera)
        if not self.dip:
            return sky
        middle, hours = sky.middle(self.images // 2), self.images * self._step / 7200
        dip = Transit(middle, hours=hours, depth=self.dip)
        return replace(sky, transits={self.dipping(unit, observation): dip})

    @property
    def _step(self) -> float:
        """Seconds from one exposure to the next."""
        return self.exposure + self.pause

    @property
    def _longest(self) -> float:
        """Seconds of an observation, with its oddities."""
        return (self.images + 2) * self._step + 60

    def _field(self, unit: int, observation: int, camera: int) -> ObservedSky:
        longest = self._longest
        began = self.start + timedelta(seconds=observation * longest + 17 * unit)
        site = SITES[unit % len(SITES)]
        ended = began + timedelta(seconds=longest)
        unit_id = f"PAN{1 + unit:03d}"
        return ObservedSky(
            seed=int(_digest(self.seed, unit_id, "sky", observation)[:8], 16),
            frame_size=self.frame_size,
            frames=self.images,
            target=target_up(site, began, ended, turn=unit + observation),
            site=site,
            exposure=self.exposure,
            readout=self.pause,
            start=began + timedelta(seconds=_SETTLING),
            named=began,
            unit_id=unit_id,
            camera_id=_digest(self.seed, unit_id, camera)[:6],
            camera=camera,
        )


def _digest(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def _sent(
    exposure: Exposure, name: str, data: bytes, file_type: FileType | None, code: str | None = None
) -> tuple[Sent, bytes]:
    of_image = file_type not in (None, FileType.MP4)
    taken: Fate = "filed" if file_type in (FileType.JPG, FileType.MP4) else "archived"
    sent = Sent(
        name=name,
        file_type=file_type,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        image_id=exposure.image_id if of_image else None,
        sequence_id=None if file_type is None else exposure.sequence_id,
        fate="quarantined" if code else taken,
        code=code,
    )
    return sent, data


def mp4_bytes(frame: bytes) -> bytes:
    """A small but whole MP4 file (ISO/IEC 14496-12): type, index and media data."""

    def box(kind: bytes, *parts: bytes) -> bytes:
        body = b"".join(parts)
        return struct.pack(">I4s", 8 + len(body), kind) + body

    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    # Creation, modification, time scale, duration, rate and volume, after version and flags.
    header = struct.pack(">6IH10x", 0, 0, 0, 1000, 0, 0x10000, 0x0100)
    movie = box(b"mvhd", header, matrix, bytes(24), struct.pack(">I", 1))
    return (
        box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isommp41")
        + box(b"moov", movie)
        + box(b"mdat", frame)
    )
