"""Whole files to damage, of every type, small enough for thousands of them."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from panoptes.network.fits.cards import format_card
from tests.files import mp4, tiny_fits
from tests.fits_samples import UNSIGNED, Array, card, frame, image, noise, primary

if TYPE_CHECKING:
    from panoptes.network.simulator.headers import Generation

MOST_BYTES = 200_000
"""Larger real files cost more than they find."""
SUFFIXES = ("fits", "fits.fz", "cr2", "jpg", "mp4")


@dataclass(frozen=True)
class Seed:
    """One whole file, and the type that it is."""

    name: str
    suffix: str
    data: bytes


@cache
def own_seeds() -> tuple[Seed, ...]:
    """Files that the project makes itself: the same on every machine."""
    return (*_plain(), *_compressed(), *_raws(), *_pictures(), Seed("mp4", "mp4", _video()))


@cache
def real_seeds() -> tuple[Seed, ...]:
    """The smaller ones of ../shared/data, none where that is absent."""
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    found = []
    for path in sorted(folder.glob("*/*")):
        suffix = {"cr2": "cr2", "crw": "cr2"}.get(path.suffix[1:], "fits")
        data = path.read_bytes()
        if 0 < len(data) <= MOST_BYTES:
            compressed = suffix == "fits" and b"ZCMPTYPE" in data
            found.append(Seed(path.name, "fits.fz" if compressed else suffix, data))
    return tuple(found)


def choose(generator: random.Random) -> Seed:
    """One of all; what is drawn does not depend on whether there are real files."""
    suffix = generator.choices(SUFFIXES, (30, 40, 15, 8, 7))[0]
    want_real, place = generator.random() < 0.15, generator.random()
    pools = [[s for s in each if s.suffix == suffix] for each in (real_seeds(), own_seeds())]
    pool = pools[0] if want_real and pools[0] else pools[1]
    return pool[int(place * len(pool))]


def _wordy() -> tuple[bytes, ...]:
    """Cards of every kind that the standard and its readers know."""
    return (
        format_card("OBJECT", "M42 " + "and what is around it " * 8, "a long string"),
        format_card("moon_fraction", 0.25, "of a newer unit"),
        format_card("EXPTIME", 120.0, "[s]"),
        format_card("DATE-OBS", "2018-02-16T11:24:30"),
        format_card("COMMENT", "This image was taken on a mountain."),
        format_card("HISTORY", "solved " * 20),
        card("HIERARCH ESO TEL AIRM START = 1.25 / airmass"),
        card("COMPLEX = (1.0, -2.5)"),
        card("UNDEF   ="),
        card("NOVALUE  is a card without a value"),
        format_card("EXTNAME", "SCI"),
        card(""),
    )


def _tables() -> bytes:
    from astropy.io import fits

    made = io.BytesIO()
    columns = [
        fits.Column("NAME", "8A", array=np.array(["one", "two"])),
        fits.Column("FLUX", "PE()", array=np.array([np.ones(3), np.ones(5)], object)),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    fits.HDUList([fits.PrimaryHDU(np.ones((4, 5), np.int16)), table]).writeto(made)
    return made.getvalue()


def _of_a_unit(generation: Generation) -> bytes:
    """A small frame under the header of a simulated unit."""
    from panoptes.network.fits.plain import FitsImage, fits_bytes
    from panoptes.network.simulator.canon_writer import Settings
    from panoptes.network.simulator.headers import SITES, TARGETS, Exposure, header_cards

    exposure = Exposure(
        unit_id="PAN001",
        camera_id="14d3bd",
        sequence_time="20180216T110623",
        image_time="20180216T112430",
        index=0,
        count=2,
        site=SITES[0],
        target=TARGETS[0],
        settings=Settings(taken=datetime(2018, 2, 16, 11, 24, 30)),
    )
    pixels = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16)
    return fits_bytes([FitsImage(tuple(header_cards(exposure, generation)), pixels)])


def _plain() -> Iterator[Seed]:
    for generation in ("old", "new"):
        yield Seed(f"{generation} unit", "fits", _of_a_unit(generation))
    yield Seed("frame", "fits", tiny_fits())
    yield Seed("wordy", "fits", image(frame(20, 30), (*UNSIGNED, *_wordy())))
    for kind in ("u1", "i2", "i4", "i8", "f4", "f8"):
        yield Seed(kind, "fits", image(noise(kind, (6, 9)), [format_card("BSCALE", 2.0)]))
    yield Seed("cube", "fits", image(noise("i2", (2, 3, 5))))
    extensions = [
        image(frame(9, 8), [format_card("EXTNAME", f"SCI{n}")], extension=True) for n in (1, 2)
    ]
    yield Seed("extensions", "fits", primary(*_wordy()) + b"".join(extensions))
    yield Seed("two images", "fits", image(frame(7, 8), UNSIGNED) + extensions[0])
    yield Seed("tables", "fits", _tables())


def _astropys(pixels: Array, **options: object) -> bytes:
    """Compressed by astropy, but for the time that gzip puts before each tile."""
    from astropy.io import fits

    made = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, **options)]).writeto(made)
    return re.sub(rb"\x1f\x8b\x08\0.{4}", b"\x1f\x8b\x08\0" + bytes(4), made.getvalue(), flags=re.S)


def _summed(compressed: bytes) -> bytes:
    """With the checksums that astropy writes, of a day that is over."""
    from astropy.io import fits

    made = io.BytesIO()
    with fits.open(io.BytesIO(compressed), disable_image_compression=True) as hdus:
        for hdu in hdus:
            hdu.add_checksum(when="HDU checksum updated 2018-02-16T11:24:30")
        hdus.writeto(made)
    return made.getvalue()


def _compressed() -> Iterator[Seed]:
    from panoptes.network.fits.archive import compress_fits

    for method in ("GZIP_2", "RICE_1"):
        made = compress_fits(tiny_fits(), method=method).data
        yield Seed(f"ours, {method}", "fits.fz", made)
    wordy = image(frame(40, 30), (*UNSIGNED, *_wordy()))
    yield Seed("ours, in tiles", "fits.fz", compress_fits(wordy, rows_per_tile=7).data)
    yield Seed("ours, float", "fits.fz", compress_fits(image(noise("f4", (9, 7)))).data)
    small = np.abs(frame(24, 32) // 16)
    for coding in ("GZIP_1", "GZIP_2", "RICE_1", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS"):
        made = _astropys(small, compression_type=coding)
        yield Seed(coding, "fits.fz", made)
        yield Seed(f"{coding}, summed", "fits.fz", _summed(made))
    squares = _astropys(frame(24, 32), compression_type="RICE_1", tile_shape=(8, 8))
    yield Seed("squares", "fits.fz", squares)
    wide = np.random.default_rng(3).normal(100, 5, (12, 20)).astype(np.float32)
    for coding, dither in (("RICE_1", 1), ("GZIP_2", 2), ("HCOMPRESS_1", -1)):
        quantised = {"quantize_method": dither, "quantize_level": 8, "dither_seed": 7}
        made = _astropys(wide, compression_type=coding, **quantised)
        yield Seed(f"{coding}, quantised", "fits.fz", made)
    yield Seed("u1, Rice", "fits.fz", _astropys(noise("u1", (9, 12)), compression_type="RICE_1"))
    yield Seed("i4, Rice", "fits.fz", _astropys(noise("i4", (9, 12)), compression_type="RICE_1"))


def _raws() -> Iterator[Seed]:
    from panoptes.network.simulator.canon_writer import Settings, cr2_bytes

    samples = np.random.default_rng(0).integers(2048, 9000, (64, 96)).astype(np.uint16)
    taken = datetime(2018, 2, 16, 11, 24, 30)
    yield Seed("two components", "cr2", cr2_bytes(samples, Settings(taken=taken)))
    four = Settings(taken=taken, components=4, slices=(2, 32, 32), borders=(8, 4, 87, 59))
    yield Seed("four components", "cr2", cr2_bytes(samples, four))
    unknown = Settings(taken=taken, model="Canon EOS 1D", model_id=1)
    yield Seed("unknown model", "cr2", cr2_bytes(samples, unknown))


def _pictures() -> Iterator[Seed]:
    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 255, (40, 56, 3)).astype(np.uint8)
    colours = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x010F] = "Canon"
    exif[0x8769] = {0x9003: "2018:02:16 11:24:30", 0x829A: 120.0}
    series = {"format": "MPO", "save_all": True, "append_images": [colours]}
    for name, picture, options in (
        ("baseline", colours, {}),
        ("two in one", colours, series),
        ("with a profile", colours, {"icc_profile": bytes(300), "comment": b"by hand"}),
        ("progressive", colours, {"progressive": True}),
        ("with exif", colours, {"exif": exif, "dpi": (72, 72)}),
        ("grey", colours.convert("L"), {}),
        ("four inks", colours.convert("CMYK"), {}),
    ):
        made = io.BytesIO()
        picture.save(made, **({"format": "JPEG"} | options))
        yield Seed(name, "jpg", made.getvalue())


def _video() -> bytes:
    return mp4(picture=bytes(range(256)) * 4)
