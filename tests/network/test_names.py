"""The grammar of uploaded names, and the names that we make from them."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from panoptes.network.catalog.values import check_key
from panoptes.network.errors import BadInput
from panoptes.network.file_types import FileType
from panoptes.network.image_types import ImageType
from panoptes.network.ingest.listing import field_prefixes, listing_prefixes
from panoptes.network.names import (
    MAX_NAME_BYTES,
    display_name,
    document_key,
    parse_sequence_id,
    parse_upload,
    quarantine_name,
)
from panoptes.network.storage.folder import FolderStore

IMAGE = "20180216T112430"
SEQUENCE = "20180216T110623"
STEM = f"PAN001/14d3bd/{SEQUENCE}/{IMAGE}"

times = st.datetimes(datetime(1989, 1, 1), datetime(2101, 12, 31)).map(
    lambda moment: f"{moment:%Y%m%dT%H%M%S}"
)
units = st.from_regex(re.compile(r"PAN[0-9]{3}", re.ASCII), fullmatch=True)
cameras = st.from_regex(re.compile(r"[0-9A-Za-z]{6}", re.ASCII), fullmatch=True)
fields = st.one_of(
    st.just(""),
    st.from_regex(re.compile(r"[A-Za-z][A-Za-z0-9 .+_-]{0,12}/", re.ASCII), fullmatch=True),
    cameras.map(lambda camera: f"{camera}/"),
    cameras.map(lambda camera: f"{camera}/fld/"),
    cameras.map(lambda camera: f"fld/{camera}/"),
)
suffixes = st.sampled_from(["fits", "fits.fz", "FITS.FZ", "FITS", "cr2", "CR2", "jpg", "JPEG"])
separators = st.sampled_from("/_")


@pytest.mark.parametrize(
    "name",
    [
        f"PAN001/14d3bd/{SEQUENCE}/{IMAGE}.fits.fz",
        f"PAN001_14d3bd_{SEQUENCE}_{IMAGE}.fits.fz",
        f"PAN001/14d3bd_{SEQUENCE}/{IMAGE}.fits.fz",
        f"PAN001/14d3bd/{SEQUENCE}_{IMAGE}.FITS.FZ",
        f"PAN001/Wasp 35/14d3bd/{SEQUENCE}/{IMAGE}.fits.fz",
        f"PAN001/14d3bd/14d3bd/{SEQUENCE}/{IMAGE}.fits.fz",
        f"PAN001/fields/Wasp35/14d3bd/{SEQUENCE}/{IMAGE}.fits.fz",
        f"PAN001_Wasp35_14d3bd_{SEQUENCE}_{IMAGE}.fits.fz",
        f"PAN001/14d3bd/{SEQUENCE}/PAN001_14d3bd_{IMAGE}.fits.fz",
        f"PAN001/14d3bd/{SEQUENCE}/PAN001_14d3bd_{SEQUENCE}_{IMAGE}.fits.fz",
    ],
)
def test_every_form_of_a_name_is_the_same_image(name: str) -> None:
    upload = parse_upload(name)
    assert upload.stem == STEM
    assert upload.file_type is FileType.FITS_FZ
    assert upload.image_id == f"PAN001_14d3bd_{IMAGE}"
    assert upload.sequence_id == f"PAN001_14d3bd_{SEQUENCE}"


@pytest.mark.parametrize(
    ("suffix", "file_type"),
    [
        ("fits", FileType.FITS),
        ("FITS", FileType.FITS),
        ("fit", FileType.FITS),
        ("FTS", FileType.FITS),
        ("Fits.Fz", FileType.FITS_FZ),
        ("CR2", FileType.CR2),
        ("jpeg", FileType.JPG),
        ("JPG", FileType.JPG),
        ("MP4", FileType.MP4),
    ],
)
def test_a_suffix_is_read_in_either_case(suffix: str, file_type: FileType) -> None:
    assert parse_upload(f"{STEM}.{suffix}").file_type is file_type


def test_the_field_name_of_an_older_path_is_kept_apart() -> None:
    assert parse_upload(f"PAN001/Wasp 35/14d3bd/{SEQUENCE}/{IMAGE}.cr2").field_name == "Wasp 35"
    assert parse_upload(f"{STEM}.cr2").field_name is None


@pytest.mark.parametrize("leaf", ["pointing", "pointing00", f"pointing00_{IMAGE}"])
def test_a_pointing_frame_is_an_image_of_its_own_kind(leaf: str) -> None:
    upload = parse_upload(f"PAN001/14d3bd/{SEQUENCE}/{leaf}.fits")
    assert upload.image_type is ImageType.POINTING
    assert upload.image_id == f"PAN001_14d3bd_{SEQUENCE}-{leaf}"
    assert upload.stem == f"PAN001/14d3bd/{SEQUENCE}/{leaf}"


@pytest.mark.parametrize(
    "name",
    [
        f"PAN001/14d3bd/{SEQUENCE}.mp4",
        f"PAN001/14d3bd/{SEQUENCE}/14d3bd_{SEQUENCE}.mp4",
        f"PAN001/14d3bd/{SEQUENCE}/Wasp_35_14d3bd_{SEQUENCE}.mp4",
        f"PAN001_14d3bd_{SEQUENCE}.MP4",
    ],
)
def test_a_timelapse_is_of_a_whole_observation(name: str) -> None:
    upload = parse_upload(name)
    assert (upload.file_type, upload.image_id) == (FileType.MP4, None)
    assert upload.stem == f"PAN001/14d3bd/{SEQUENCE}/{SEQUENCE}"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "unroutable-name"),
        (f"PAN001_Wasp 35/14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        ("notes.txt", "unknown-suffix"),
        (f"{STEM}.fits.gz", "unknown-suffix"),
        (f"{STEM}", "unknown-suffix"),
        (f"{STEM}.", "unknown-suffix"),
        (f"{STEM}.f\u0131t\u017f", "unknown-suffix"),
        (".fits", "unknown-suffix"),
        ("a.fits", "unroutable-name"),
        (f"PAN01/14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN0001/14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"pan001/14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN\u0660\u0661\u0662/14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/-14d3b/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/caf\u00e9/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/{'x' * 33}/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/{IMAGE}/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/a-{IMAGE}/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/14d3bd/20180230T110623/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/14d3bd/{SEQUENCE}/20180216T112461.fits", "unroutable-name"),
        (f"PAN001/14d3bd/{SEQUENCE}/20180216T252430.fits", "unroutable-name"),
        (f"PAN001/14d3bd/{SEQUENCE}/PAN002_14d3bd_{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/14d3bd/{SEQUENCE}/PAN001_ffffff_{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/14d3bd/{SEQUENCE}/{IMAGE}.fits.fits", "unroutable-name"),
        (f"PAN001/14d3bd/{SEQUENCE}.fits", "unroutable-name"),
        (f"PAN001/14d3bd/{SEQUENCE}/a/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/14d3bd/fld/14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/14d3bd/{SEQUENCE}/ffffff_{SEQUENCE}.mp4", "unroutable-name"),
        (f"PAN001/14d3bd/{SEQUENCE}/14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001//14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"../PAN001/14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/../14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"/{STEM}.fits", "unroutable-name"),
        (f"{STEM}\n.fits", "unroutable-name"),
        (f"{STEM}.fits\n", "unroutable-name"),
        (f"PAN001/\udcff/14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
        (f"PAN001/{'x' * 1024}/14d3bd/{SEQUENCE}/{IMAGE}.fits", "unroutable-name"),
    ],
)
def test_a_name_that_says_no_image_is_refused_with_a_reason(name: str, code: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_upload(name)
    assert refused.value.code == code
    refused.value.reason.encode()  # clean text, for volunteers and catalogs


@pytest.mark.parametrize(
    ("packed", "within"),
    [("fits.gz", "fits"), ("fits.Z", "fits"), ("FIT.gz", "fit"), ("cr2.zip", "cr2")],
)
def test_a_file_that_another_program_packed_is_to_be_unpacked(packed: str, within: str) -> None:
    with pytest.raises(BadInput, match=rf"unpack it and upload the \.{within}\)"):
        parse_upload(f"{STEM}.{packed}")


def test_a_compressed_fit_is_told_the_suffix_that_it_is_taken_under() -> None:
    with pytest.raises(BadInput, match=r"compressed by tiles is named \.fits\.fz"):
        parse_upload(f"{STEM}.fit.fz")


@pytest.mark.parametrize("year", ["0001", "1970", "2101", "9999"])
def test_a_year_in_which_no_unit_observes_is_refused_in_a_sentence(year: str) -> None:
    for name in (f"{year}1231T235959/{IMAGE}", f"{SEQUENCE}/{year}0101T000000"):
        with pytest.raises(BadInput, match=r"its year is not in 1990 to 2100") as refused:
            parse_upload(f"PAN001/14d3bd/{name}.fits")
        assert refused.value.code == "unroutable-name"
    with pytest.raises(ValueError, match=r"its year is not in 1990 to 2100"):
        parse_sequence_id(f"PAN001_14d3bd_{year}0101T000000")


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=60))
@example("x.f\u0131ts")
@example("x.fit\u017f")
@example("\udcff.fits")
def test_any_name_at_all_is_understood_or_refused(name: str) -> None:
    from_disk = name.encode("utf-8", "replace").decode("utf-8")
    refused = set()
    for text in (from_disk, f"{STEM}{from_disk}", f"{STEM}.{from_disk}"):
        try:
            parse_upload(text)
        except BadInput as bad:
            refused.add(bad.code)
    assert refused <= {"unroutable-name", "unknown-suffix"}


@settings(max_examples=60)
@given(units, separators, fields, cameras, separators, times, separators, times, suffixes)
@example("PAN001", "_", "Wasp 35/", "14d3bd", "/", SEQUENCE, "/", IMAGE, "fits")
@example("PAN001", "_", "14d3bd/", "abcdef", "/", SEQUENCE, "/", IMAGE, "fits")
@example("PAN001", "/", "14d3bd/", "14d3bd", "/", SEQUENCE, "/", IMAGE, "fits")
@example("PAN001", "/", "14d3bd/fld/", "14d3bd", "/", SEQUENCE, "/", IMAGE, "fits")
@example("PAN001", "/", "14d3bd/fld/", "abcdef", "/", SEQUENCE, "_", IMAGE, "fits")
def test_a_name_that_is_understood_is_found_by_the_listing_of_its_observation(
    unit: str, a: str, field: str, camera: str, b: str, start: str, c: str, image: str, suffix: str
) -> None:
    name = f"{unit}{a}{field}{camera}{b}{start}{c}{image}.{suffix}"
    try:
        upload = parse_upload(name)
    except BadInput:
        return  # no real date, for one; the sweep takes it
    below = f"{unit}/"
    prefixes = listing_prefixes(upload.sequence)
    if name.startswith(below) and name.count("/") > 1:
        outer, inner = f"{unit}/{name.split('/')[1]}/", name.split("/")[2]
        prefixes += field_prefixes(upload.sequence, outer)
        if outer != f"{unit}/{camera}/":
            prefixes += field_prefixes(upload.sequence, f"{outer}{inner}/")
    assert any(name.startswith(prefix) for prefix in prefixes)


@given(times, times)
def test_what_we_file_reads_back_as_what_it_is(start: str, image: str) -> None:
    try:
        upload = parse_upload(f"PAN001/Wasp 35/14d3bd/{start}/{image}.fits")
    except BadInput:
        return
    again = parse_upload(f"{upload.stem}.fits.fz")
    assert (again.stem, again.image_id, again.sequence) == (
        upload.stem,
        upload.image_id,
        upload.sequence,
    )


@pytest.mark.parametrize("suffix", ["preview-1024.jpg", "timelapse.mp4"])
def test_names_that_we_make_are_no_names_that_units_upload(suffix: str) -> None:
    with pytest.raises(BadInput):
        parse_upload(f"{STEM}.{suffix}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PAN001",
        f"PAN001/14d3bd/{SEQUENCE}",
        f"PAN001_14d3bd_{SEQUENCE}_{IMAGE}",
        f"PAN001_14d3bd_{SEQUENCE}\n",
        " " + f"PAN001_14d3bd_{SEQUENCE}",
        "PAN001_14d3bd_20181316T110623",
    ],
)
def test_an_id_that_names_no_observation_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an observation's id|names no real date"):
        parse_sequence_id(text)


def test_an_observation_id_reads_back() -> None:
    text = f"PAN001_14d3bd_{SEQUENCE}"
    sequence = parse_sequence_id(text)
    assert sequence.sequence_id == text
    assert sequence.time.isoformat() == "2018-02-16T11:06:23+00:00"


names = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
broken = st.binary(min_size=1, max_size=300).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@given(st.one_of(names, broken))
@example(".")
@example("..")
@example("__x__")
@example("\udcff" * 500)
@example("\u20ac" * 341)
def test_a_ledger_key_is_one_that_every_catalog_takes(name: str) -> None:
    check_key("files", document_key(name))


@given(st.one_of(names, broken), st.one_of(names, broken))
def test_two_names_never_share_a_ledger_key(one: str, other: str) -> None:
    assert (document_key(one) == document_key(other)) == (one == other)


def test_long_names_that_differ_at_their_end_have_keys_of_their_own() -> None:
    assert document_key("\u20ac" * 500 + "a") != document_key("\u20ac" * 500 + "b")


@settings(max_examples=15)
@given(st.one_of(names, broken))
@example(".panoptes/x")
@example("a/.panoptes/b")
@example("a/.PANOPTES")
@example("a//b")
@example("a" * 255)
@example("\u20ac" * 341)
@example("x/" * 500 + "x")
def test_every_file_has_a_place_in_quarantine(name: str) -> None:
    place = quarantine_name(name, 2**53 - 1)
    assert len(place.encode()) <= MAX_NAME_BYTES
    with TemporaryDirectory() as folder:
        FolderStore(Path(folder, "store"), durable=False).put(place, b"bad", if_generation=0)


@given(broken, broken)
def test_two_names_never_share_a_place_in_quarantine(one: str, other: str) -> None:
    assert (quarantine_name(one, 7) == quarantine_name(other, 7)) == (one == other)


def test_a_quarantined_file_is_kept_under_its_name_and_generation() -> None:
    assert quarantine_name(f"{STEM}.fits", 17) == f"{STEM}.fits@17"


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert display_name("a\udcff.fits") == r"a\xff.fits"
