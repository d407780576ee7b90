"""Headers by ranges: what is read, how much of the file that takes, and what is refused."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from panoptes.network.errors import BadInput
from panoptes.network.fits.cards import BLOCK, format_card, header_bytes
from panoptes.network.fits.header_json import HduHeader, header_json
from panoptes.network.header import (
    FIRST_READ,
    MAX_HDUS,
    NoSuchHdu,
    read_header,
    read_headers,
)
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.gcs import GcsStore
from panoptes.network.storage.store import ObjectStore
from tests.fits_samples import card, frame, fz_of, image, mutated, noise, primary


class Watched(FolderStore):
    """A folder that writes down what is read of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        object.__setattr__(self, "reads", [])

    reads: list[tuple[int, int]]

    def read_range(self, name: str, start: int, end: int) -> bytes:
        self.reads.append((start, end))
        return super().read_range(name, start, end)


@pytest.fixture
def store(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def put(store: Watched, data: bytes) -> str:
    (store.root / "file.fits").write_bytes(data)
    return "file.fits"


def own(store: Watched, *cards: bytes) -> dict[str, object]:
    """The image's header as JSON, without its structure."""
    found = header_json(read_header(store, put(store, image(frame(), cards))).header)
    return {k: v for k, v in found.items() if not k.startswith(("SIMPLE", "BITPIX", "NAXIS"))}


SOLVED = [format_card(f"A_{n}", n / 7, "a card of a plate solution") for n in range(350)]


# What the cards mean


def test_values_have_the_types_that_the_cards_mean(store: Watched) -> None:
    found = own(
        store,
        card("STRING  = 'O''Brien = 1 / 2'   / a / comment"),
        card("INTEGER =                  -17"),
        card("FLOAT   =             1.5D-03"),
        card("DOT     =                  .50"),
        card("LOGICAL =                    T"),
        card("UNDEF   =                      / no value"),
        card("COMPLEX = (1.0, -2.5)"),
        card("ENDTIME = '2018-02-16'"),
        card("HIERARCH moon_fraction = 0.25"),
        card("NOTFIN  = 1E999"),
    )
    assert found == {
        "STRING": "O'Brien = 1 / 2",
        "INTEGER": -17,
        "FLOAT": 0.0015,
        "DOT": 0.5,
        "LOGICAL": True,
        "UNDEF": None,
        "COMPLEX": {"real": 1.0, "imag": -2.5},
        "ENDTIME": "2018-02-16",
        "moon_fraction": 0.25,
        "NOTFIN": None,
    }


def test_comments_history_and_repeated_keywords_are_lists(store: Watched) -> None:
    found = own(
        store,
        card("COMMENT first = 1"),
        card("HISTORY one"),
        card("FILTER  = 'R'"),
        card("COMMENT second"),
        card("FILTER  = 'G'"),
        card(""),
        card("        a line without a keyword"),
    )
    assert found == {
        "COMMENT": ["first = 1", "second"],
        "HISTORY": ["one"],
        "FILTER": ["R", "G"],
        "": ["a line without a keyword"],
    }


def test_a_long_string_is_one_value(store: Watched) -> None:
    text = "a text that does not fit on one card, and with 'quotes' in it " * 3
    assert own(store, format_card("LONG", text.strip())) == {"LONG": text.strip()}


def test_bytes_that_are_not_ascii_are_reported_and_not_fatal(store: Watched) -> None:
    name = put(store, image(frame(), [card("OBSERVER= 'Zo\xeb'".encode("latin-1"))]))
    found = read_header(store, name).header
    assert found.get("OBSERVER") == "Zoë"
    assert any("ASCII" in problem for problem in found.problems)


# Which header


def test_the_images_own_header_of_a_compressed_file_is_as_it_was_before(store: Watched) -> None:
    from panoptes.network.fits.archive import compress_fits

    plain = image(frame(), [format_card("EXPTIME", 120.5), format_card("NAXIS3X", 1)])
    wanted = header_json(read_header(store, put(store, plain)).header)
    found = read_header(store, put(store, compress_fits(plain).data))
    assert header_json(found.header) == wanted
    assert (found.index, found.kind) == (1, "compressed-image")


def test_an_image_behind_an_empty_primary_is_the_files_image(store: Watched) -> None:
    pixels = image(frame(), [format_card("EXPTIME", 3.0)], extension=True)
    assert read_header(store, put(store, primary() + pixels)).header.get("EXPTIME") == 3.0


def test_a_file_without_an_image_has_its_primary_header(store: Watched) -> None:
    assert read_header(store, put(store, primary(format_card("OBJECT", "none")))).index == 0


@pytest.fixture
def many(store: Watched) -> str:
    """A primary, then SCI version 1, SCI version 2, and MASK."""
    hdus = [primary(format_card("OBJECT", "the primary"))]
    for name, version in (("SCI", 1), ("SCI", 2), ("MASK", 1)):
        cards = [format_card("EXTNAME", name), format_card("EXTVER", version)]
        hdus.append(image(noise("i2", (300, 300)), cards, extension=True))
    return put(store, b"".join(hdus))


@pytest.mark.parametrize(
    ("wanted", "index"),
    [(0, 0), ("0", 0), (3, 3), ("sci", 1), ("SCI,2", 2), ("mask", 3), ("Mask, 1", 3)],
)
def test_one_hdu_is_found_by_number_or_name(
    store: Watched, many: str, wanted: int | str, index: int
) -> None:
    assert read_header(store, many, wanted).index == index


@pytest.mark.parametrize("wanted", [4, "7", "SCI,3", "ERR", "", "²"])
def test_an_hdu_that_is_not_there_is_refused_with_those_that_are(
    store: Watched, many: str, wanted: int | str
) -> None:
    with pytest.raises(NoSuchHdu, match="SCI, SCI, MASK"):
        read_header(store, many, wanted)


# How much is read


def test_the_header_of_a_solved_frame_is_one_read(store: Watched) -> None:
    pixels = noise("i2", (300, 300))
    for data in (image(pixels, SOLVED), fz_of(pixels.astype(np.int16))):
        store.reads.clear()
        read_header(store, put(store, data))
        assert store.reads == [(0, FIRST_READ)]


def test_every_further_header_is_one_read_and_pixels_are_skipped(store: Watched, many: str) -> None:
    found = read_headers(store, many)
    assert len(found) == 4
    assert len(store.reads) == 4
    assert sum(end - start for start, end in store.reads) < 5 * FIRST_READ


def test_nothing_behind_the_wanted_hdu_is_read(store: Watched, many: str) -> None:
    read_header(store, many, "SCI")
    assert store.reads == [(0, FIRST_READ)]


def test_a_header_longer_than_one_read_is_read_on(store: Watched) -> None:
    cards = [format_card(f"K{n}", n) for n in range(3000)]
    found = read_header(store, put(store, image(frame(), cards)))
    assert found.header.get("K2999") == 2999
    assert len(store.reads) == 3  # 64 KB, then to 128 KB, then to 256 KB


def block_by_block(store: ObjectStore, name: str) -> bytes:
    """As the original service read: one request for each block, until one holds END."""
    header = b""
    while b"END     " not in header[::]:
        header += store.read_range(name, len(header), len(header) + BLOCK)
    return header


def test_a_solved_frames_header_is_one_request_instead_of_ten(
    make_bucket: Callable[[], str], gcs_emulator: str, gcs_requests: Callable[[], list[str]]
) -> None:
    bucket = make_bucket()
    near = GcsStore(bucket, endpoint=gcs_emulator)
    near.put("solved.fits", image(noise("i2", (300, 300)), SOLVED))
    gcs_requests()
    found = read_header(near, "solved.fits")
    assert len(gcs_requests()) == 1
    block_by_block(near, "solved.fits")
    assert len(gcs_requests()) == 10
    assert found.header.get("A_349") == pytest.approx(349 / 7)


# What is refused


@pytest.mark.parametrize(
    ("data", "code", "sentence"),
    [
        (b"", "empty-file", "empty"),
        (b"SIMPL", "truncated-file", "ends after 5 bytes"),
        (b"\x1f\x8b" + bytes(200), "not-fits", "gzip"),
        (b"<html>no</html>", "not-fits", "HTML"),
        (bytes(5000), "not-fits", "zero bytes"),
        (image(frame())[:160], "truncated-file", "no END card in 160 bytes"),
        (header_bytes([card("SIMPLE  =  T")])[:80].ljust(2880) + bytes(2880), "bad-header", "END"),
        (image(frame())[:2880].replace(b"NAXIS1", b"NAXISX"), "bad-header", "NAXIS1 is None"),
        (primary().replace(b"BITPIX  =", b"BITPIX  X"), "bad-header", "BITPIX is X"),
        (image(frame(), [card("X = 1")] * 60_000), "bad-header", "exceeds"),
        (primary() + image(frame(2, 2), extension=True) * MAX_HDUS, "unsupported-format", "more"),
    ],
)
def test_what_is_no_fits_file_gets_the_reason(
    store: Watched, data: bytes, code: str, sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence) as refused:
        read_headers(store, put(store, data))
    assert refused.value.code == code


def test_a_file_cut_off_in_its_pixels_still_has_its_header(store: Watched) -> None:
    assert read_header(store, put(store, image(frame(), SOLVED)[:-4000])).header.get("A_1")


def test_rubbish_behind_the_last_hdu_is_no_header(store: Watched) -> None:
    assert len(read_headers(store, put(store, primary() + b"rubbish" * 1000))) == 1


def test_an_absurd_size_costs_nothing(store: Watched) -> None:
    data = image(frame()).replace(b"                  90", b" 9999999999999999999")
    assert len(read_headers(store, put(store, data))) == 1
    assert len(store.reads) <= 2


def test_damaged_files_are_read_or_refused_and_nothing_else(store: Watched, many: str) -> None:
    generator = random.Random(5)
    whole = (store.root / many).read_bytes()[:40_000] + image(frame(), SOLVED, extension=True)
    for _ in range(400):
        name = put(store, mutated(whole, generator))
        with suppress(BadInput):
            for hdu in read_headers(store, name):
                header_json(hdu.header)


# Real files


def cards_by_astropy(path: Path) -> list[list[tuple[str, object]]]:
    from astropy.io import fits

    with fits.open(path, lazy_load_hdus=False, ignore_missing_simple=False) as hdus:
        return [
            [
                (c.keyword.upper(), None if isinstance(c.value, fits.card.Undefined) else c.value)
                for c in hdu.header.cards
            ]
            for hdu in hdus
        ]


def cards_by_us(headers: Sequence[HduHeader]) -> list[list[tuple[str, object]]]:
    return [[(c.keyword.upper(), c.value) for c in hdu.header.cards] for hdu in headers]


REFUSED = {
    "edge_cases/empty.fits": "empty-file",
    "edge_cases/no_end.fits": "bad-header",
    "edge_cases/not_fits.fits": "not-fits",
    "edge_cases/truncated_in_header.fits": "truncated-file",
    "edge_cases/uint16.fits.gz": "not-fits",
    "fits/astropy_lzw.fits.Z": "not-fits",
}
DIFFERENT = {
    # Its NAXIS is 0; astropy makes an axis of it, since it takes it for random groups.
    "fits/astropy_group_invalid.fits",
    # Its header is whole, though no data follow: astropy gives it up.
    "fits/exiftool_FITS.fits",
    # The table of its tiles is cut off: astropy leaves out the HDU.
    "edge_cases/comp_truncated.fits.fz",
}


def test_every_real_header_equals_astropys_reading_card_for_card(shared_data: Path) -> None:
    store = FolderStore(shared_data, read_only=True)
    compared = 0
    for path in sorted(shared_data.glob("*/*")):
        name = str(path.relative_to(shared_data))
        code = "not-fits" if name.startswith("raw/") else REFUSED.get(name)
        if code is not None:
            with pytest.raises(BadInput) as refused:
                read_headers(store, name)
            assert refused.value.code == code, name
        elif name in DIFFERENT:
            assert read_headers(store, name)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = cards_by_astropy(path)
            headers = read_headers(store, name)
            ours = cards_by_us(headers)
            assert len(ours) == len(theirs), name
            for hdu, mine, other in zip(headers, ours, theirs, strict=True):
                if hdu.kind == "compressed-image":
                    # Both give the cards of the image; ours stand in the file's order.
                    assert Counter(mine) == Counter(other), name
                else:
                    assert mine == other, name
            compared += 1
    assert compared >= 45
