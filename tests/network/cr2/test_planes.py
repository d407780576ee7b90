"""Camera raws to R, G and B: every sample is kept, and bad raws are named for what they are."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rawpy
from astropy.io import fits
from numpy.typing import NDArray

from panoptes.network.cr2.frame import RawFrame, read_raw
from panoptes.network.cr2.ljpeg import ends_as_decoded, read_ljpeg_frame
from panoptes.network.cr2.planes import (
    COLOURS,
    Colour,
    PlanesMismatch,
    RawOrigin,
    plane_fits,
    split_planes,
    verify_planes,
)
from panoptes.network.cr2.processed import Options, processed_planes
from panoptes.network.errors import BadInput
from panoptes.network.simulator.canon_writer import Settings, cr2_bytes, lossless_jpeg

TAKEN = datetime(2018, 2, 16, 11, 24, 30)
FROM = RawOrigin(
    source="PAN001/14d3bd/20180216T110623/20180216T112430.cr2",
    generation=1518780270123456,
    crc32c="AAAAAA==",
    code_version="panoptes-network 0.1.0",
    image_id="PAN001_14d3bd_20180216T112430",
    sequence_id="PAN001_14d3bd_20180216T110623",
    unit_id="PAN001",
    camera_id="14d3bd",
)


def sensor(rows: int = 64, columns: int = 96, *, seed: int = 1) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    samples = rng.normal(2048, 12, (rows, columns))
    samples[rng.integers(0, rows, 40), rng.integers(0, columns, 40)] = rng.integers(0, 16383, 40)
    return np.clip(samples, 0, 16383).astype(np.uint16)


def cr2(samples: np.ndarray[Any, Any] | None = None, **settings: Any) -> bytes:
    settings.setdefault("borders", (8, 4, 96, 64))
    return cr2_bytes(sensor() if samples is None else samples, Settings(taken=TAKEN, **settings))


def by_libraw(data: bytes) -> RawFrame:
    """The same samples under a model number that only LibRaw's way takes."""
    with rawpy.imread(io.BytesIO(data)) as raw:
        letters = "".join(chr(raw.color_desc[i]) for i in np.asarray(raw.raw_pattern).reshape(-1))
        return RawFrame(
            pixels=raw.raw_image_visible.copy(),
            pattern=letters,
            black=(0, 0, 0, 0),
            saturation=raw.white_level,
            highest=0,
            left=raw.sizes.left_margin,
            top=raw.sizes.top_margin,
            decoder="libraw",
        )


def made_frame(rows: int, columns: int, pattern: str = "RGGB", highest: int = 16383) -> RawFrame:
    rng = np.random.default_rng(rows * 1000 + columns)
    pixels = rng.integers(0, highest, (rows, columns), np.uint16, endpoint=True)
    return RawFrame(
        pixels=pixels,
        pattern=pattern,
        black=(2047, 2048, 2049, 2050),
        saturation=13583,
        highest=highest,
        left=8,
        top=4,
        decoder="libraw",
    )


def opened(file: bytes) -> fits.HDUList:
    return fits.open(io.BytesIO(file), checksum=True)


@pytest.mark.parametrize("components", [2, 4])
@pytest.mark.parametrize("slices", [None, (2, 32, 32), (3, 20, 36), (2, 40, 16)])
@pytest.mark.parametrize("borders", [(8, 4, 96, 64), (9, 5, 95, 63), (0, 0, 96, 64)])
def test_the_short_way_gives_exactly_what_libraw_gives(
    components: int, slices: tuple[int, int, int] | None, borders: tuple[int, int, int, int]
) -> None:
    samples = sensor()
    data = cr2(samples, components=components, slices=slices, borders=borders)
    frame, reference = read_raw(data), by_libraw(data)
    assert frame.decoder == "ljpeg"
    assert np.array_equal(frame.pixels, reference.pixels)
    rows, columns = frame.pixels.shape
    assert np.array_equal(frame.pixels, samples[frame.top :, frame.left :][:rows, :columns])
    assert (frame.pattern, frame.left, frame.top, frame.saturation) == (
        reference.pattern,
        reference.left,
        reference.top,
        reference.saturation,
    )


def test_the_pattern_below_an_odd_number_of_masked_rows_is_the_one_libraw_sees() -> None:
    samples = np.full((3228, 4832), 2048, np.uint16)
    samples[::7, ::5] = 2100
    data = cr2(samples, model_id=0x80000261, model="Canon EOS 50D", borders=None)
    frame, reference = read_raw(data), by_libraw(data)
    assert frame.decoder == "ljpeg"
    assert frame.pattern == reference.pattern == "GBRG"
    assert np.array_equal(frame.pixels, reference.pixels)


def test_every_camera_of_the_short_way_clips_where_libraw_says() -> None:
    from panoptes.network.cr2.frame import _SATURATION

    for model_id in _SATURATION:
        data = cr2(model_id=model_id)
        frame = read_raw(data)
        assert frame.decoder == "ljpeg"
        assert frame.saturation == by_libraw(data).saturation, hex(model_id)


def test_a_camera_that_is_not_known_goes_through_libraw_with_the_same_samples() -> None:
    samples = sensor()
    frame = read_raw(cr2(samples, model_id=0x80009999, model="Canon EOS 9999D"))
    assert frame.decoder == "libraw"
    assert np.array_equal(frame.pixels, read_raw(cr2(samples)).pixels)
    assert frame.black == (2048, 2048, 2048, 2048)


def test_both_ways_say_the_same_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    data = cr2(sensor(65, 96), borders=(9, 5, 95, 64))
    short = read_raw(data)
    monkeypatch.setattr("panoptes.network.cr2.frame._decode_known", lambda *_: None)
    reference = read_raw(data)
    assert (short.decoder, reference.decoder) == ("ljpeg", "libraw")
    assert plane_fits(short, FROM) == plane_fits(reference, FROM)


def test_the_capture_travels_with_the_frame() -> None:
    frame = read_raw(cr2(exposure=25.2, temperature=31))
    assert frame.capture.exposure == 25.2
    assert frame.capture.camera_temperature == 31


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95, 0.999])
def test_a_raw_that_was_cut_short_is_called_truncated(keep: float) -> None:
    data = cr2(sensor(128, 192), borders=(8, 4, 192, 128))
    with pytest.raises(BadInput) as caught:
        read_raw(data[: int(len(data) * keep)])
    assert caught.value.code == "truncated-file"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty-file"),
        (b"SIMPLE  =                    T".ljust(2880), "not-a-raw"),
        (b"\xff\xd8\xff\xe0" + bytes(4000), "not-a-raw"),
        (bytes(100_000), "not-a-raw"),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "not-a-raw"),
    ],
    ids=["empty", "FITS", "JPEG", "zeros", "empty TIFF"],
)
def test_what_is_no_raw_is_named(data: bytes, code: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_raw(data)
    assert caught.value.code == code


def test_a_claim_of_too_many_pixels_is_refused_before_decoding() -> None:
    with pytest.raises(BadInput) as caught:
        read_raw(cr2(), max_pixels=96 * 64 - 1)
    assert caught.value.code == "too-large"
    assert read_raw(cr2(), max_pixels=96 * 64).pixels.size


def test_damage_that_throws_the_stream_out_of_step_is_left_to_libraw() -> None:
    data = cr2(sensor(128, 192, seed=3), borders=(8, 4, 192, 128))
    start = data.rindex(b"\xff\xda")
    outcomes = set()
    for place in range(start + 20, len(data) - 2, 97):
        hurt = bytearray(data)
        hurt[place] ^= 0x24
        try:
            frame = read_raw(bytes(hurt))
        except BadInput as error:
            outcomes.add(error.code)
            continue
        outcomes.add(frame.decoder)
        assert np.array_equal(frame.pixels, by_libraw(bytes(hurt)).pixels)
    assert outcomes <= {"libraw", "ljpeg", "truncated-file", "corrupt-data"}
    assert {"ljpeg", "truncated-file"} <= outcomes


def test_the_end_of_a_stream_tells_whether_it_was_decoded_in_step() -> None:
    samples = sensor(20, 40)
    stream = lossless_jpeg(samples)
    frame = read_ljpeg_frame(stream)
    assert frame is not None
    assert (frame.rows, frame.columns, frame.components, frame.bits) == (20, 20, 2, 14)
    last = samples[-1].tolist()
    assert ends_as_decoded(stream, frame, last)
    assert not ends_as_decoded(stream, frame, [*last[2:], *last[-2:]])
    assert not ends_as_decoded(stream[:-40] + b"\xff\xd9", frame, last)


def test_a_component_may_have_a_table_of_its_own() -> None:
    samples = sensor(20, 40)
    stream = lossless_jpeg(samples)
    start = stream.index(b"\xff\xc4")
    table = stream[start : start + 2 + int.from_bytes(stream[start + 2 : start + 4], "big")]
    own = stream.replace(table, table + table[:4] + b"\x01" + table[5:])
    scan = own.index(b"\xff\xda")
    own = own[: scan + 8] + b"\x10" + own[scan + 9 :]
    frame = read_ljpeg_frame(own)
    assert frame is not None
    assert ends_as_decoded(own, frame, samples[-1].tolist())
    assert read_ljpeg_frame(own.replace(table, b"")) is None


def test_a_stream_with_anything_unusual_is_not_understood() -> None:
    stream = lossless_jpeg(sensor(20, 40))
    assert read_ljpeg_frame(stream[:-2]) is None
    assert read_ljpeg_frame(stream.replace(b"\xff\xc3", b"\xff\xc1", 1)) is None
    scan = stream.index(b"\xff\xda")
    assert read_ljpeg_frame(stream[: scan + 9] + b"\x04" + stream[scan + 10 :]) is None
    assert read_ljpeg_frame(stream[:2] + b"\xff\xdd\0\4\0\1" + stream[2:]) is None


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("shape", [(6, 8), (7, 8), (6, 9), (7, 9), (2, 2), (3, 3)])
def test_no_sample_is_lost_whatever_the_pattern_and_size(
    pattern: str, shape: tuple[int, int]
) -> None:
    frame = made_frame(*shape, pattern)
    files = plane_fits(frame, FROM)
    verify_planes(frame, files)
    # By hand, from what astropy reads: the mosaic is there bit for bit.
    mosaic = np.full(shape, -1)
    for colour in COLOURS:
        with opened(files[colour]) as hdus:
            for hdu in hdus:
                if hdu.header["NSAMPLE"] == 1:
                    row, column = int(hdu.header["CFAROW"]), int(hdu.header["CFACOL"])
                    mosaic[row::2, column::2] = hdu.data
    with opened(files["g"]) as hdus:
        both, second = hdus[0].data.astype(int), hdus["G2"].data.astype(int)
        rows, columns = both.shape
        first = both - second[:rows, :columns]
        if "G1" in hdus:
            assert np.array_equal(hdus["G1"].data[:rows, :columns], first)
        else:
            row, column = divmod(pattern.index("G"), 2)
            mosaic[row::2, column::2] = first
    assert np.array_equal(mosaic, frame.pixels)


def test_red_and_blue_are_the_sensors_samples_and_green_is_the_sum() -> None:
    frame = made_frame(6, 8)
    files = plane_fits(frame, FROM)
    pixels = frame.pixels.astype(int)
    planes: dict[Colour, NDArray[np.int_]] = {
        "r": pixels[::2, ::2],
        "g": pixels[::2, 1::2] + pixels[1::2, ::2],
        "b": pixels[1::2, 1::2],
    }
    for colour, wanted in planes.items():
        with opened(files[colour]) as hdus:
            assert np.array_equal(hdus[0].data, wanted)
            assert hdus[0].data.dtype == np.uint16


def test_greens_of_16_bits_are_summed_in_32() -> None:
    frame = made_frame(6, 8, highest=65535)
    assert split_planes(frame).green_sum.dtype == np.int32
    files = plane_fits(frame, FROM)
    verify_planes(frame, files)
    with opened(files["g"]) as hdus:
        assert hdus[0].header["BITPIX"] == 32
        assert hdus[0].data.max() > 65535


def test_the_header_says_what_the_pixels_are_and_where_they_come_from() -> None:
    files = plane_fits(read_raw(cr2()), FROM)
    with opened(files["r"]) as hdus:
        header = hdus[0].header
        said = {key: header[key] for key in ("FILTER", "BAYERPAT", "CFAROW", "CFACOL", "ROWORDER")}
        assert said == {
            "FILTER": "R",
            "BAYERPAT": "RGGB",
            "CFAROW": 0,
            "CFACOL": 0,
            "ROWORDER": "TOP-DOWN",
        }
        assert header["RAWDATA"] is True
        assert header["BLACKLVL"] == 2048
        assert header["SATURATE"] == 13583
        assert header["EXPTIME"] == 120.0
        assert header["CAMTEMP"] == 17
        assert header["IMAGEID"] == FROM.image_id
        assert header["SEQID"] == FROM.sequence_id
        assert header["OBSERVER"] == "PAN001"
        assert header["INSTRUME"] == "14d3bd"
        assert header["SRCNAME"] == FROM.source
        assert header["SRCGEN"] == "1518780270123456"
        assert header["SRCCRC"] == "AAAAAA=="
        assert header["FILENAME"] == "20180216T112430.cr2"
    with opened(files["g"]) as hdus:
        assert hdus[0].header["FILTER"] == "G"
        assert hdus[0].header["BLACKLVL"] == 4096
        assert hdus["G2"].header["BLACKLVL"] == 2048


def test_black_levels_go_with_their_place_in_the_pattern() -> None:
    files = plane_fits(made_frame(6, 8), FROM)
    said = {}
    for colour in COLOURS:
        with opened(files[colour]) as hdus:
            said[colour] = hdus[0].header["BLACKLVL"]
    assert said == {"r": 2047, "g": 2048 + 2049, "b": 2050}


def test_mosaic_coordinates_are_mapped_to_the_planes() -> None:
    with opened(plane_fits(made_frame(6, 8), FROM)["b"]) as hdus:
        header = hdus[0].header
        # Blue's first pixel is the mosaic's second in each direction, counted from 1.
        assert header["LTM1_1"] * 2 + header["LTV1"] == 1
        assert header["LTM2_2"] * 2 + header["LTV2"] == 1


def test_checksums_hold_and_every_header_follows_the_standard() -> None:
    for file in plane_fits(made_frame(7, 9), FROM).values():
        assert len(file) % 2880 == 0
        with opened(file) as hdus:
            hdus.verify("exception")
            for hdu in hdus:
                assert hdu.verify_datasum() == 1
                assert hdu.verify_checksum() == 1


def test_text_that_fits_cannot_hold_does_not_cost_the_image() -> None:
    frame = read_raw(cr2(lens="Objectif \u00e9t\u00e9"))
    with opened(plane_fits(frame, FROM)["r"]) as hdus:
        assert hdus[0].header["LENSMOD"] == "Objectif ?t?"


def test_the_same_raw_gives_the_same_bytes() -> None:
    data = cr2()
    assert plane_fits(read_raw(data), FROM) == plane_fits(read_raw(data), FROM)


def test_one_wrong_sample_is_found() -> None:
    data = cr2()
    files = plane_fits(read_raw(data), FROM)
    for colour in COLOURS:
        hurt = bytearray(files[colour])
        hurt[-2000] ^= 1
        with pytest.raises(PlanesMismatch):
            verify_planes(data, {**files, colour: bytes(hurt)})
    with pytest.raises(PlanesMismatch):
        verify_planes(data, {**files, "r": files["b"]})
    with pytest.raises(PlanesMismatch):
        verify_planes(data, {**files, "g": files["r"]})
    with pytest.raises(PlanesMismatch):
        verify_planes(data, {**files, "g": files["g"][:5760]})
    with pytest.raises(PlanesMismatch):
        verify_planes(cr2(sensor(seed=2)), files)


def test_compressed_planes_hold_the_same_samples() -> None:
    from panoptes.network.fits.archive import compress_fits

    frame = made_frame(7, 9)
    files = plane_fits(frame, FROM)
    verify_planes(frame, {c: compress_fits(file).data for c, file in files.items()})


def test_processed_planes_are_those_of_rawpy_and_say_so() -> None:
    data = cr2()
    files = processed_planes(data, provenance=FROM)
    with rawpy.imread(io.BytesIO(data)) as raw:
        wanted = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.AAHD,
            half_size=True,
            no_auto_bright=True,
            output_bps=16,
            gamma=(1, 1),
        )
    for index, colour in enumerate(COLOURS):
        with opened(files[colour]) as hdus:
            assert np.array_equal(hdus[0].data, wanted[:, :, index])
            assert hdus[0].header["RAWDATA"] is False
            assert '"half_size": true' in hdus[0].header["RAWPOPT"]


def test_options_of_the_caller_win_over_the_defaults() -> None:
    data = cr2()
    options: Options = {"half_size": False, "demosaic_algorithm": "LINEAR", "output_bps": 8}
    with opened(processed_planes(data, options, provenance=FROM)["g"]) as hdus:
        assert hdus[0].data.shape == read_raw(data).pixels.shape
        assert hdus[0].data.max() <= 255


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bad_pixels_path": "/etc/passwd"}, "not allowed"),
        ({"half_sized": True}, "no option 'half_sized'"),
        ({"demosaic_algorithm": "BEST"}, "one of LINEAR"),
        ({"output_bps": 12}, "must be of"),
        ({"median_filter_passes": 10**9}, "0 to 10"),
        ({"gamma": [1, 2, 3]}, "two numbers"),
        ({"user_wb": [1, 2]}, "does not take"),
        ({"bright": "very"}, "does not take"),
        ({"demosaic_algorithm": "AMAZE"}, "does not take"),
    ],
)
def test_options_that_rawpy_cannot_take_are_refused_in_a_sentence(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        processed_planes(cr2(), options, provenance=FROM)


def test_processing_refuses_what_reading_refuses() -> None:
    for data, code in ((b"", "empty-file"), (bytes(5000), "not-a-raw")):
        with pytest.raises(BadInput) as caught:
            processed_planes(data, provenance=FROM)
        assert caught.value.code == code
    with pytest.raises(BadInput) as caught:
        processed_planes(cr2(), provenance=FROM, max_pixels=100)
    assert caught.value.code == "too-large"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("small_truncated.cr2", "truncated-file"),
        ("imagemeta_1DsMkIII_truncated_real.cr2", "truncated-file"),
        ("exiftool_CanonRaw_350D_metadata_only.cr2", "not-a-raw"),
    ],
)
def test_real_and_broken_raws_get_their_code(shared_data: Path, name: str, code: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_raw((shared_data / "raw" / name).read_bytes())
    assert caught.value.code == code


@pytest.mark.parametrize(
    "name", ["imagemeta_EOS_D30_real_full.crw", "small_100d_528x352.cr2", "small_bitflip.cr2"]
)
def test_whatever_libraw_reads_is_split_without_loss(shared_data: Path, name: str) -> None:
    data = (shared_data / "raw" / name).read_bytes()
    frame = read_raw(data)
    assert np.array_equal(frame.pixels, by_libraw(data).pixels)
    assert frame.pattern == by_libraw(data).pattern
    verify_planes(data, plane_fits(frame, FROM))


def test_a_full_frame_takes_the_short_way_and_is_split_without_loss(shared_data: Path) -> None:
    data = (shared_data / "raw/sim_100d_full.cr2").read_bytes()
    frame = read_raw(data)
    assert frame.decoder == "ljpeg"
    assert np.array_equal(frame.pixels, by_libraw(data).pixels)
    verify_planes(frame, plane_fits(frame, FROM))
