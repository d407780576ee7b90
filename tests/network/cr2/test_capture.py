"""The metadata of Canon raws: what is there is told, what is not is absent."""

from __future__ import annotations

import random
import struct
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from panoptes.network.cr2.capture import Capture, color_data, read_capture
from panoptes.network.cr2.tiff import Entry, Ifd, Tiff
from panoptes.network.errors import BadInput
from panoptes.network.simulator.canon_writer import Settings, cr2_bytes

TAKEN = datetime(2018, 2, 16, 11, 24, 30)


def cr2(**settings: object) -> bytes:
    samples = np.full((32, 48), 2048, np.uint16)
    samples[4:, 8:] += np.arange(40, dtype=np.uint16)
    return cr2_bytes(samples, Settings(taken=TAKEN, borders=(8, 4, 47, 31), **settings))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def plain() -> bytes:
    return cr2()


def values(capture: Capture) -> dict[str, object]:
    return {keyword: value for keyword, value, _ in capture.cards()}


def test_every_card_of_a_units_own_headers_is_read_with_its_type(plain: bytes) -> None:
    assert values(read_capture(plain)) == {
        "DATE-OBS": "2018-02-16T11:24:30",
        "EXPTIME": 120.0,
        "ISO": 100,
        "CAM-MOD": "Canon EOS 100D",
        "CAMSN": "012070048413",
        "INTSN": "HA0028608",
        "LENSMOD": "EF85mm f/1.4L IS USM",
        "FNUMBER": 1.4,
        "FOCALLEN": 85.0,
        "CAMTEMP": 17,
        "CIRCCONF": 0.019,
        "COLORTMP": 5009,
        "MEASEV": -3.75,
        "MEASEV2": -3.75,
        "MEASRGGB": "625 1024 1024 682",
        "WHTLVLN": 11765,
        "WHTLVLS": 12277,
        "REDBAL": 1.935547,
        "BLUEBAL": 1.563477,
        "WBRGGB": "1982 1024 1024 1601",
        "ORIENTAT": 1,
    }


def test_where_the_samples_lie_is_read(plain: bytes) -> None:
    capture = read_capture(plain)
    assert capture.is_cr2
    assert capture.black_levels == (2048, 2048, 2048, 2048)
    assert capture.strip is not None
    assert capture.strip.slices == (1, 24, 24)
    assert plain[capture.strip.offset :].startswith(b"\xff\xd8")
    assert plain[: capture.strip.offset + capture.strip.length].endswith(b"\xff\xd9")


def test_fractions_of_seconds_and_long_exposures_are_kept() -> None:
    data = cr2(exposure=0.0005)
    assert read_capture(data).exposure == 0.0005
    odd = cr2_bytes(
        np.full((32, 48), 2048, np.uint16),
        Settings(taken=TAKEN.replace(microsecond=250_000), exposure=120.4),
    )
    assert values(read_capture(odd))["DATE-OBS"] == "2018-02-16T11:24:30.250"
    assert read_capture(odd).exposure == 120.4


def test_what_the_camera_did_not_write_is_absent_and_never_zero() -> None:
    said = values(
        read_capture(cr2(temperature=None, measured_ev=None, measured_rggb=None, lens=None))
    )
    assert {"CAMTEMP", "MEASRGGB", "MEASEV2", "LENSMOD", "LENSSN"}.isdisjoint(said)


def test_a_temperature_below_zero_and_a_positive_brightness_are_read() -> None:
    capture = read_capture(cr2(temperature=-5, measured_ev=8.125))
    assert capture.camera_temperature == -5
    assert capture.measured_ev == capture.measured_ev2 == 8.125


def test_the_older_iso_tag_yields_to_the_newer_where_it_overflows(plain: bytes) -> None:
    at = plain.index(struct.pack("<HHIH", 0x8827, 3, 1, 100))
    data = plain[: at + 8] + struct.pack("<H", 0xFFFF) + plain[at + 10 :]
    assert read_capture(data).iso is None


def test_a_colour_layout_of_an_unknown_camera_gives_no_levels(plain: bytes) -> None:
    tiff = Tiff(plain, "<")
    note = Ifd(tiff, {0x4001: Entry(3, 1312, 0)}, 0)
    assert color_data(note).black_levels is None
    assert color_data(Ifd(tiff, {0x4001: Entry(3, 999, 0)}, 0)).wb_rggb is None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty-file"),
        (b"<!DOCTYPE html>", "not-a-raw"),
        (b"\xff\xd8\xff\xe0JFIF", "not-a-raw"),
        (b"II*\0", "not-a-raw"),
    ],
)
def test_bytes_that_are_no_raw_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_capture(data)
    assert caught.value.code == code


def test_a_file_cut_anywhere_gives_what_is_left(plain: bytes) -> None:
    whole = values(read_capture(plain))
    for size in range(8, 5200, 13):
        said = values(read_capture(plain[:size]))
        assert said.items() <= whole.items()


def test_no_damage_to_the_structure_breaks_the_reader(plain: bytes) -> None:
    chance = random.Random(4)
    structure = read_capture(plain).strip
    assert structure is not None
    for _ in range(1000):
        data = bytearray(plain[: structure.offset])
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(8, len(data))] = chance.choice((0, 1, 8, 127, 255))
        read_capture(bytes(data)).cards()


def test_a_ring_of_directories_ends() -> None:
    directory = struct.pack("<H", 1) + struct.pack("<HHII", 0x100, 4, 1, 7)
    data = b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 8)
    tiff = Tiff.open(data)
    assert tiff is not None
    assert len(tiff.chain(8)) == 1
    assert read_capture(data) == Capture()


def test_an_absurd_count_is_left_out() -> None:
    entries = struct.pack("<HHII", 0x110, 2, 0xFFFFFFFF, 8) + struct.pack("<HHII", 0x112, 3, 1, 6)
    data = b"II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    capture = read_capture(data)
    assert capture.model is None
    assert capture.orientation == 6


def test_the_other_order_of_bytes_is_read_too() -> None:
    entries = struct.pack(">HHIHH", 0x112, 3, 1, 3, 0)
    data = b"MM\0*" + struct.pack(">IH", 8, 1) + entries + bytes(4)
    assert read_capture(data).orientation == 3


def test_the_metadata_of_a_real_350d_are_those_that_exiftool_prints(shared_data: Path) -> None:
    data = (shared_data / "raw/exiftool_CanonRaw_350D_metadata_only.cr2").read_bytes()
    said = values(read_capture(data))
    assert said["DATE-OBS"] == "2005-08-03T18:59:18"
    assert said["EXPTIME"] == 1 / 15
    assert said["ISO"] == 400
    assert said["CAMSN"] == "0123456789"
    assert said["MEASRGGB"] == "580 1024 1024 500"
    assert said["MEASEV"] == 8.0
    assert said["MEASEV2"] == 8.125
    assert said["WBRGGB"] == "2002 1185 1187 2364"
    assert said["REDBAL"] == 1.688027
    assert said["BLUEBAL"] == 1.993255
    assert said["CIRCCONF"] == 0.019
    assert "INTSN" not in said
    assert "CAMTEMP" not in said


def test_the_metadata_of_a_real_1ds_mark_iii_are_read(shared_data: Path) -> None:
    data = (shared_data / "raw/imagemeta_1DsMkIII_truncated_real.cr2").read_bytes()
    capture = read_capture(data)
    assert capture.model == "Canon EOS-1Ds Mark III"
    assert capture.camera_serial == "600005"
    assert capture.internal_serial == "I01328"
    assert capture.lens_model == "EF50mm f/1.2L USM"
    assert capture.black_levels == (1023, 1024, 1023, 1024)
    assert capture.circle_of_confusion == 0.03
    assert capture.strip is not None
    assert capture.strip.slices == (2, 1920, 1872)
