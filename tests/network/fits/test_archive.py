"""Archiving FITS without loss, as seen by funpack, astropy and fitsio."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fitsio
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from panoptes.network.errors import BadInput
from panoptes.network.fits import tile_table
from panoptes.network.fits.archive import ArchiveMismatch, compress_fits, verify_archive
from panoptes.network.fits.cards import Value, format_card, header_of
from panoptes.network.fits.content import check_compressed, check_source, same_image
from panoptes.network.fits.structure import Hdu, walk_hdus
from panoptes.network.fits.tiles import Method
from tests.fits_samples import (
    UNSIGNED,
    Array,
    card,
    changed,
    frame,
    image,
    noise,
    primary,
    stored_bytes,
)

METHODS: tuple[Method, ...] = ("GZIP_2", "RICE_1")
CORPUS = ("panoptes", "fits", "edge_cases")


@pytest.fixture(autouse=True)
def _quiet_readers() -> Iterator[None]:
    """Readers warn about what these files are made to be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def images_of(file: bytes) -> list[Hdu]:
    return [hdu for hdu in walk_hdus(file) if hdu.pixels]


def assert_astropy_agrees(source: bytes, archive: bytes, shift: int) -> None:
    with (
        fits.open(io.BytesIO(source), do_not_scale_image_data=True) as before,
        fits.open(io.BytesIO(archive), do_not_scale_image_data=True) as after,
    ):
        assert len(after) == len(before) + shift
        for hdu in images_of(source):
            mine, theirs = before[hdu.index], after[hdu.index + shift]
            assert stored_bytes(mine.data) == stored_bytes(theirs.data)


def assert_fitsio_agrees(
    source: bytes, archive: bytes, shift: int, written: set[int], folder: Path
) -> None:
    # CFITSIO wants the last block whole.
    (folder / "source.fits").write_bytes(source + bytes(-len(source) % 2880))
    (folder / "archive.fits.fz").write_bytes(archive)
    with (
        fitsio.FITS(str(folder / "source.fits")) as before,
        fitsio.FITS(str(folder / "archive.fits.fz")) as after,
    ):
        for hdu in images_of(source):
            mine = before[hdu.index].read()
            assert stored_bytes(mine) == stored_bytes(after[hdu.index + shift].read())
            if hdu.index in written:
                # Raises ValueError where CFITSIO finds another sum.
                after[hdu.index + shift].verify_checksum()


def funpacked(archive: bytes, folder: Path) -> bytes:
    """What funpack restores; -C: without renewing checksums that were stale or absent."""
    program = shutil.which("funpack")
    if program is None:
        pytest.skip("needs funpack on the path")
    packed, target = folder / "packed.fits.fz", folder / "restored.fits"
    packed.write_bytes(archive)
    target.unlink(missing_ok=True)
    done = subprocess.run(
        [program, "-C", "-O", str(target), str(packed)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target.read_bytes()


def significant(hdu: Hdu) -> list[tuple[str, Value, str]]:
    """Cards as funpack can restore them: CFITSIO writes keywords in capitals, characters
    that are not ASCII as blanks, and drops blank cards at the end."""
    cards: list[tuple[str, Value, str]] = [
        (name.upper(), value, comment) for name, value, comment in hdu.header.cards
    ]
    while cards and not any(cards[-1]):
        del cards[-1]
    return cards


def blanked(hdu: Hdu) -> Hdu:
    """The HDU with blanks for whatever is not printable ASCII."""
    raw = bytes(byte if 32 <= byte < 127 else 32 for byte in hdu.header.raw)
    return replace(hdu, header=header_of(raw))


def assert_funpack_agrees(source: bytes, archive: bytes, folder: Path) -> None:
    restored = funpacked(archive, folder)
    if restored == source:
        return
    before, after = walk_hdus(source), walk_hdus(restored)
    assert len(before) == len(after)
    for mine, theirs in zip(before, after, strict=True):
        assert mine.data(source) == theirs.data(restored)
        assert significant(blanked(mine)) == significant(theirs)


def assert_lossless(source: bytes, method: Method, folder: Path) -> tuple[str | None, ...]:
    made = compress_fits(source, method=method)
    verify_archive(source, made.data)
    shift = 1 if made.codings[0] else 0
    assert_astropy_agrees(source, made.data, shift)
    written = {index for index, coding in enumerate(made.codings) if coding}
    assert_fitsio_agrees(source, made.data, shift, written, folder)
    if not any(hdu.kind == "compressed-image" for hdu in walk_hdus(source)):
        assert_funpack_agrees(source, made.data, folder)
    assert same_image(source, made.data)
    assert check_compressed(made.data).header.raw == check_source(source).header.raw
    return made.codings


def corpus() -> list[str]:
    data = Path(__file__).resolve().parents[4] / "shared" / "data"
    files = (path for name in CORPUS for path in (data / name).glob("*"))
    return sorted(str(path.relative_to(data)) for path in files) or ["absent"]


REFUSED = {
    "comp_truncated.fits.fz": "truncated-file",
    "empty.fits": "empty-file",
    "no_data.fits": "no-image",
    "no_end.fits": "bad-header",
    "not_fits.fits": "not-fits",
    "simple_F.fits": "bad-header",
    "truncated_in_header.fits": "truncated-file",
    "uint16.fits.gz": "not-fits",
    "astropy_chandra_time.fits": "no-image",
    "astropy_group_invalid.fits": "no-image",
    "astropy_history_header.fits": "no-image",
    "astropy_lzw.fits.Z": "not-fits",
    "astropy_random_groups.fits": "unsupported-format",
    "astropy_table.fits": "no-image",
    "astropy_tb.fits": "no-image",
    "astropy_theap-gap.fits": "no-image",
    "astropy_variable_length_table.fits": "no-image",
    "astropy_verify.fits": "bad-header",
    "astropy_zerowidth.fits": "no-image",
    "cfitsio_iter_a.fit": "no-image",
    "exiftool_FITS.fits": "no-image",
    "pocs_healpix_bintable.fits": "no-image",
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", corpus())
def test_every_real_file_is_archived_without_loss_or_refused_for_a_reason(
    shared_data: Path, name: str, method: Method, tmp_path: Path
) -> None:
    source = (shared_data / name).read_bytes()
    code = REFUSED.get(Path(name).name)
    if code is None:
        assert_lossless(source, method, tmp_path)
        return
    with pytest.raises(BadInput) as refused:
        compress_fits(source, method=method)
    assert refused.value.code == code


SHAPES = ((1,), (7,), (1, 1), (5, 1), (1, 5), (130, 37), (3, 4, 5), (300, 1), (65, 300))


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("method", METHODS)
def test_white_noise_of_every_shape_survives(kind: str, method: Method, tmp_path: Path) -> None:
    source = image(noise(kind, (2, 3)))
    for shape in SHAPES:
        source += image(noise(kind, shape), extension=True)
    codings = assert_lossless(source, method, tmp_path)
    assert set(codings) == {"GZIP_2" if kind[0] == "f" else method}


@pytest.mark.parametrize("method", METHODS)
def test_extreme_and_special_values_survive(method: Method, tmp_path: Path) -> None:
    arrays: list[Array] = [np.zeros((70, 40), "i2"), np.full((9, 33), -(2**31), "i4")]
    for kind in ("u1", "i2", "i4"):
        limits = np.iinfo(kind)
        arrays.append(np.array([limits.min, limits.max] * 50, kind).reshape(10, 10))
    for kind in ("f4", "f8"):
        special = [np.nan, -np.nan, np.inf, -np.inf, -0.0, np.finfo(kind).tiny / 8]
        arrays.append(np.array([special] * 4, kind))
    payload = np.array([[0x7FC12345, 0xFFA00001]], "u4").view("f4")
    source = image(payload)
    for array in arrays:
        source += image(array, extension=True)
    assert None not in assert_lossless(source, method, tmp_path)


HEADERS: dict[str, list[str | bytes]] = {
    "unsigned convention": ["BZERO   = 32768", "BSCALE  = 1"],
    "scaling": ["BSCALE  = 0.1", "BZERO   = 100.5", "BLANK   = -50"],
    "name": ["EXTNAME = 'SCI'", "EXTVER  = 2", "INHERIT = T"],
    "odd numbers": ["V       = -3.5e-07", "W       = 1.5D3", "X       = .50", "U       ="],
    "no number at all": ["V       = NaN"],
    "HIERARCH": ["HIERARCH ESO DET WIN = 5 / c", "HIERARCH moon_fraction = 0.5"],
    "commentary": ["COMMENT = x", "HISTORY = 5", "", "        text", "NOVALUE", ""],
    "twice": ["A       = 1", "A       = 2"],
    "ENDTIME": ["ENDTIME = 'x'", "END_X   = 1"],
    "no space": ["K       =5"],
    "fpack's directives": ["FZALGOR = 'NONE'", "FZQVALUE= 4.0"],
    "stale checksums": ["CHECKSUM= 'aaaaaaaaaaaaaaaa'", "DATASUM = '5'"],
    "empty checksums": ["CHECKSUM= ''", "DATASUM = ''"],
    "names like the convention's": ["ZEROPT  = 1.0", "ZD      = 1.0", "TTIME   = 5"],
    "LONGSTRN": ["LONGSTRN= 'OGIP 1.0'", "LONG    = 'abc &'", "CONTINUE  'def' / comment"],
    "a thousand cards": [f"KEY{n:<5}= {n}" for n in range(1000)],
    "not ASCII": [b"OBSERVER= 'J\xf6rg'", b"COMMENT 5 \xc2\xb0C"],
    "tab": ["COMMENT a\tb"],
}
COPIED: dict[str, list[str | bytes]] = {
    "ZIMAGE": ["ZIMAGE  = T"],
    "ZSCALE": ["ZSCALE  = 2.0"],
    "ZTILE1": ["ZTILE1  = 3"],
    "ZHECKSUM": ["ZHECKSUM= 'x'"],
    "ZNAXIS": ["ZNAXIS  = 2"],
    "TTYPE1": ["TTYPE1  = 'x'"],
    "THEAP": ["THEAP   = 3"],
    "COMPRESSED_IMAGE": ["EXTNAME = 'COMPRESSED_IMAGE'"],
    "two CHECKSUM": ["CHECKSUM= 'a'", "CHECKSUM= 'b'"],
    "two BZERO": ["BZERO   = 1.0", "BZERO   = 2.0"],
    "third axis": ["NAXIS3  = 7"],
    "TCTYP1": ["TCTYP1  = 'x'"],
    "garbled BSCALE": ["BSCALE  text"],
    "stray CONTINUE": ["CONTINUE  'of nothing'"],
}


@pytest.mark.parametrize("extension", [False, True])
@pytest.mark.parametrize("name", HEADERS)
def test_every_card_survives(name: str, extension: bool, tmp_path: Path) -> None:
    hdu = image(frame(), [card(text) for text in HEADERS[name]], extension=extension)
    codings = assert_lossless(primary() + hdu if extension else hdu, "GZIP_2", tmp_path)
    assert codings[-1] == "GZIP_2"


@pytest.mark.parametrize("extension", [False, True])
@pytest.mark.parametrize("name", COPIED)
def test_an_image_that_readers_would_take_apart_is_copied_as_it_is(
    name: str, extension: bool, tmp_path: Path
) -> None:
    hdu = image(frame(), [card(text) for text in COPIED[name]], extension=extension)
    source = primary() + hdu if extension else hdu
    assert assert_lossless(source, "GZIP_2", tmp_path)[-1] is None
    assert compress_fits(source).data == source


@pytest.mark.parametrize("pixels", [noise("i8", (9, 9)), noise("i2", (2, 3, 4, 5))])
def test_what_a_reader_cannot_decompress_is_copied_as_it_is(pixels: Array, tmp_path: Path) -> None:
    assert assert_lossless(image(pixels), "RICE_1", tmp_path) == (None,)


def test_tables_and_compressed_images_are_kept_to_the_byte(tmp_path: Path) -> None:
    made = io.BytesIO()
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=[1, 2, 3])])
    compressed = fits.CompImageHDU(frame().astype("i4"), name="PACKED")
    fits.HDUList([fits.PrimaryHDU(frame()), table, compressed]).writeto(made)
    source = made.getvalue()
    assert assert_lossless(source, "GZIP_2", tmp_path) == ("GZIP_2", None, None)
    assert compress_fits(source).data.endswith(source[walk_hdus(source)[1].offset :])


def test_a_source_with_checksums_comes_back_to_the_byte_from_funpack(tmp_path: Path) -> None:
    made = io.BytesIO()
    hdu = fits.PrimaryHDU(frame().astype("u2"))
    hdu.header["EXPTIME"] = (120.0, "seconds")
    hdu.writeto(made, checksum=True)
    for method in METHODS:
        archive = compress_fits(made.getvalue(), method=method).data
        assert funpacked(archive, tmp_path) == made.getvalue()


def test_rice_tiles_are_those_of_fpack(tmp_path: Path) -> None:
    program = shutil.which("fpack")
    if program is None:
        pytest.skip("needs fpack on the path")
    source = image(frame(), UNSIGNED)
    (tmp_path / "a.fits").write_bytes(source)
    subprocess.run([program, "-r", str(tmp_path / "a.fits")], check=True)
    theirs = (tmp_path / "a.fits.fz").read_bytes()
    ours = compress_fits(source, method="RICE_1").data
    mine, other = walk_hdus(ours)[1], walk_hdus(theirs)[1]
    assert mine.data(ours) == other.data(theirs)


def test_the_same_bytes_always_give_the_same_bytes() -> None:
    source = image(noise("i2", (900, 700)))
    assert compress_fits(source).data == compress_fits(bytes(bytearray(source))).data


def test_rows_per_tile_can_be_chosen() -> None:
    source = image(noise("i2", (100, 20000)))
    archive = compress_fits(source, rows_per_tile=10).data
    assert walk_hdus(archive)[1].header.get("ZTILE2") == 10
    verify_archive(source, archive)


def test_a_heap_beyond_32_bits_gets_wide_descriptors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tile_table, "MAX_SHORT_HEAP", 100)
    source = image(frame())
    assert_lossless(source, "GZIP_2", tmp_path)
    form = walk_hdus(compress_fits(source).data)[1].header.get("TFORM1")
    assert str(form).startswith("1QB")


def test_lost_padding_is_put_back(tmp_path: Path) -> None:
    whole = image(frame())
    cut = whole[: 2880 + walk_hdus(whole)[0].data_size]
    assert_lossless(cut, "GZIP_2", tmp_path)
    assert funpacked(compress_fits(cut).data, tmp_path) == whole


def test_verification_finds_a_changed_pixel_and_a_changed_card() -> None:
    source = image(frame(), [card("ISO     = 100")])
    archive = compress_fits(source).data
    pixel = source[:4000] + changed(source[4000:4001], 0) + source[4001:]
    with pytest.raises(ArchiveMismatch, match="HDU 0: pixel 560"):
        verify_archive(pixel, archive)
    with pytest.raises(ArchiveMismatch, match="card 6"):
        verify_archive(source.replace(b"= 100", b"= 200"), archive)
    with pytest.raises(ArchiveMismatch, match="2 HDUs went in, 1 are stored"):
        verify_archive(source + image(frame(), extension=True), archive)
    with pytest.raises(ArchiveMismatch, match="cannot be read"):
        verify_archive(source, archive[:-2880])


def test_verification_finds_every_flipped_bit_of_the_table() -> None:
    source = image(frame(20, 20))
    archive = compress_fits(source).data
    table = walk_hdus(archive)[1]
    generator = random.Random(3)
    for _ in range(50):
        place = generator.randrange(table.offset, table.data_offset + table.data_size)
        with pytest.raises(ArchiveMismatch):
            verify_archive(source, changed(archive, place))


text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
keywords = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=1, max_size=8)
numbers = st.one_of(st.booleans(), st.integers(-(10**15), 10**15), text)
arrays = st.builds(
    noise,
    st.sampled_from(["u1", "i2", "i4", "i8", "f4", "f8"]),
    st.lists(st.integers(1, 20), min_size=1, max_size=4).map(tuple),
)

STRUCTURAL = (
    "SIMPLE", "BITPIX", "NAXIS", "XTENSION", "END", "CONTINUE", "GROUPS",
    "PCOUNT", "GCOUNT",  # with a senseless one astropy reads no image
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    arrays,
    st.lists(st.tuples(keywords, numbers, text), max_size=20),
    st.booleans(),
    st.sampled_from(METHODS),
)
def test_any_image_with_any_cards_is_archived_without_loss(
    pixels: Array, cards: list[tuple[str, str | int, str]], extension: bool, method: Method
) -> None:
    kept = [entry for entry in cards if not entry[0].startswith(STRUCTURAL)]
    hdu = image(pixels, [format_card(*entry) for entry in kept], extension=extension)
    source = primary() + hdu if extension else hdu
    try:
        made = compress_fits(source, method=method)
    except BadInput:
        assume(False)
        raise
    verify_archive(source, made.data)
    assert same_image(source, made.data)
    assert_astropy_agrees(source, made.data, 1 if made.codings[0] else 0)
