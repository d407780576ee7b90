"""Objects of record: placed once, replaced only by their own, never by another's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.file_types import FileType
from panoptes.network.fits.content import same_image
from panoptes.network.ingest.deposit import OutputLost, deposit, renew, require, roll_back
from panoptes.network.ingest.derive import DERIVATIONS
from panoptes.network.ingest.ledger import open_entry
from panoptes.network.ingest.take import Calls, take
from panoptes.network.names import document_key
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound
from panoptes.network.upload import Source
from tests import audited, sites
from tests.audited import quietly_spoil
from tests.files import (
    IMAGE,
    SEQUENCE_ID,
    UPLOADED,
    jpeg,
    place,
    tiny_cr2,
    tiny_fits,
    tiny_fits_fz,
)

FITS, PACKED = f"{IMAGE}.fits", f"{IMAGE}.fits.fz"
FIELD = "PAN001/Wasp 35/14d3bd/20180216T110623/20180216T112430.fits.fz"
ARCHIVE = f"images/{IMAGE}.fits.fz"
KEPT = f"{IMAGE}.jpg"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(tmp_path, previews_wanted=False)


def _send(site: Site, name: str, data: bytes, *, hours: float = 0) -> None:
    place(sites.incoming(site), name, data, moment=UPLOADED + timedelta(hours=hours))


def _outcome(site: Site, name: str) -> str:
    return sites.outcomes(sites.run(site))[name]


@pytest.mark.parametrize("name", [FITS, f"{IMAGE}.FITS", f"{IMAGE}.fit", f"{IMAGE}.fts"])
def test_a_plain_and_a_packed_file_of_one_image_are_one_archive(site: Site, name: str) -> None:
    _send(site, PACKED, tiny_fits_fz())
    assert _outcome(site, PACKED) == "catalogued"
    before = sites.objects(site)
    _send(site, name, tiny_fits())
    result = sites.run(site)[name]
    assert (result.became, result.location, result.path) == ("already", "images", PACKED)
    assert sites.objects(site) == before
    assert sites.entry_of(site, name).duplicate_of == PACKED
    assert sites.waiting(site) == []


def test_whichever_of_the_two_comes_first_is_the_archive(site: Site) -> None:
    _send(site, FITS, tiny_fits())
    _send(site, PACKED, tiny_fits_fz())
    assert sites.outcomes(sites.run(site)) == {FITS: "catalogued", PACKED: "already"}
    assert sites.entry_of(site, PACKED).duplicate_of == FITS


@pytest.mark.parametrize("first", [FITS, PACKED])
def test_an_archive_whose_maker_broke_off_is_not_taken_by_its_sibling(
    site: Site, first: str
) -> None:
    """The catalogue failed after the archive of the first was made, and before it was entered."""
    files = {FITS: tiny_fits(), PACKED: tiny_fits_fz()}
    second = PACKED if first == FITS else FITS
    _send(site, first, files[first])
    source = sites.source_named(site, first)
    open_entry(site, source)
    DERIVATIONS[FileType(first.partition(".")[2])].make(site, source)

    _send(site, second, files[second])
    steps = Calls(site)
    other = sites.source_named(site, second)
    with pytest.raises(TransientError, match=first):
        DERIVATIONS[FileType(second.partition(".")[2])].make(site, other)
    assert take(site, source, steps).became == "catalogued"
    assert take(site, other, steps).became == "already"
    assert sites.entry_of(site, first).duplicate_of is None
    assert sites.entry_of(site, second).duplicate_of == first
    assert sites.waiting(site) == []


def test_an_archive_whose_maker_is_gone_is_taken_by_its_sibling(site: Site) -> None:
    _send(site, FITS, tiny_fits())
    source = sites.source_named(site, FITS)
    open_entry(site, source)
    DERIVATIONS[FileType.FITS].make(site, source)
    (sites.incoming(site) / FITS).unlink()

    _send(site, PACKED, tiny_fits_fz())
    assert _outcome(site, PACKED) == "catalogued"


@pytest.mark.parametrize("cards", [{"AIRMASS": 1.5}, {"NEWCARD": 1}])
def test_a_second_file_of_an_image_that_differs_in_a_card_goes_aside(
    site: Site, cards: dict[str, float]
) -> None:
    _send(site, PACKED, tiny_fits_fz())
    sites.run(site)
    other = tiny_fits(cards)
    _send(site, FITS, other)
    assert _outcome(site, FITS) == "quarantined: conflicts-with-archive"
    assert sites.objects(site, "images") == {ARCHIVE: tiny_fits_fz()}
    assert list(sites.objects(site, "quarantine").values()) == [other]


def test_the_older_path_with_a_field_name_is_the_same_image(site: Site) -> None:
    _send(site, FIELD, tiny_fits_fz())
    assert _outcome(site, FIELD) == "catalogued"
    assert sites.objects(site, "images") == {ARCHIVE: tiny_fits_fz()}
    _send(site, PACKED, tiny_fits_fz())
    assert _outcome(site, PACKED) == "already"
    _send(site, PACKED, tiny_fits_fz(tiny_fits(seed=1)), hours=1)
    assert _outcome(site, PACKED) == "quarantined: conflicts-with-archive"


def test_a_newer_generation_replaces_the_older(site: Site) -> None:
    _send(site, PACKED, tiny_fits_fz())
    sites.run(site)
    newer = tiny_fits_fz(tiny_fits({"AIRMASS": 1.5}, seed=1))
    _send(site, PACKED, newer, hours=1)
    assert _outcome(site, PACKED) == "catalogued"
    assert sites.objects(site, "images") == {ARCHIVE: newer}
    image = sites.document(site, "images", "PAN001_14d3bd_20180216T112430")
    assert image["airmass"] == 1.5
    assert image["size"] == len(newer)
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert observation["num_images"] == 1


def test_a_good_generation_replaces_the_archive_after_a_bad_one_went_aside(
    site: Site,
) -> None:
    _send(site, PACKED, tiny_fits_fz())
    sites.run(site)
    _send(site, PACKED, tiny_fits_fz()[:4000], hours=1)
    assert _outcome(site, PACKED).startswith("quarantined")
    assert sites.objects(site, "images") == {ARCHIVE: tiny_fits_fz()}
    newer = tiny_fits_fz(tiny_fits(seed=1))
    _send(site, PACKED, newer, hours=2)
    assert _outcome(site, PACKED) == "catalogued"
    assert sites.objects(site, "images") == {ARCHIVE: newer}


@pytest.mark.parametrize("bad_between", [False, True])
def test_a_newer_generation_of_a_duplicate_never_replaces_the_others_archive(
    site: Site, bad_between: bool
) -> None:
    _send(site, PACKED, tiny_fits_fz())
    sites.run(site)
    _send(site, FITS, tiny_fits())
    assert _outcome(site, FITS) == "already"
    if bad_between:
        _send(site, FITS, b"broken", hours=1)
        assert _outcome(site, FITS) == "quarantined: not-fits"
    _send(site, FITS, tiny_fits(seed=1), hours=2)
    assert _outcome(site, FITS) == "quarantined: conflicts-with-archive"
    assert sites.objects(site, "images") == {ARCHIVE: tiny_fits_fz()}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((FITS, tiny_fits), (PACKED, tiny_fits_fz)),
        ((PACKED, tiny_fits_fz), (FITS, tiny_fits)),
        ((FITS, tiny_fits), (FIELD.replace(".fits.fz", ".FITS"), tiny_fits)),
    ],
    ids=["packed later", "plain later", "older path"],
)
def test_an_archive_that_stands_for_another_upload_too_is_never_replaced(
    site: Site,
    first: tuple[str, Callable[[], bytes]],
    second: tuple[str, Callable[[], bytes]],
) -> None:
    for name, make in (first, second):
        _send(site, name, make())
        _outcome(site, name)
    archived = sites.objects(site, "images")
    name = first[0]
    newer = tiny_fits(seed=1)
    newer = tiny_fits_fz(newer) if name == PACKED else newer
    _send(site, name, newer, hours=1)
    assert _outcome(site, name) == "quarantined: conflicts-with-archive"
    assert sites.objects(site, "images") == archived
    assert list(sites.objects(site, "quarantine").values()) == [newer]
    _send(site, name, first[1](), hours=2)
    assert _outcome(site, name) in ("catalogued", "already")
    assert sites.objects(site, "images") == archived


def test_two_pictures_under_one_name_are_one_or_the_second_goes_aside(
    site: Site,
) -> None:
    _send(site, f"{IMAGE}.jpg", jpeg())
    sites.run(site)
    _send(site, f"{IMAGE}.JPEG", jpeg())
    assert _outcome(site, f"{IMAGE}.JPEG") == "already"
    _send(site, f"{IMAGE}.jpeg", jpeg(shade=10))
    assert _outcome(site, f"{IMAGE}.jpeg") == "quarantined: conflicts-with-archive"


def test_a_camera_raw_under_two_names_is_made_once(tmp_path: Path) -> None:
    site = sites.kept(tmp_path, previews_wanted=False)
    data = tiny_cr2()
    field = FIELD.replace(".fits.fz", ".cr2")
    for name in (f"{IMAGE}.cr2", field):
        place(sites.incoming(site), name, data)
    assert sites.outcomes(sites.run(site)) == {f"{IMAGE}.cr2": "catalogued", field: "already"}
    before = sites.objects(site), sites.documents(site)
    assert sites.outcomes(sites.run(site)) == {f"{IMAGE}.cr2": "already", field: "already"}
    assert (sites.objects(site), sites.documents(site)) == before


@pytest.mark.parametrize("same_length", [True, False])
def test_an_archive_that_was_damaged_is_made_again_and_the_upload_not_blamed(
    tmp_path: Path, same_length: bool
) -> None:
    site = sites.kept(tmp_path, previews_wanted=False)
    data = tiny_fits_fz()
    place(sites.incoming(site), PACKED, data)
    sites.run(site)
    path = Path(site.settings.images, PACKED)
    seen = path.stat()
    damaged = data[:-3000] + (bytes(3000) if same_length else b"")
    path.write_bytes(damaged)
    if same_length:  # bit rot: nobody wrote, so no time changed
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        place(sites.incoming(site), PACKED, data, moment=UPLOADED + timedelta(hours=1))
        place(sites.incoming(site), FITS, tiny_fits())
    assert "quarantined" not in {r.became for r in sites.run(site).values()}
    if not same_length:
        assert path.read_bytes() == data


def test_what_another_put_there_is_never_overwritten(site: Site) -> None:
    foreign = tiny_fits_fz(tiny_fits(seed=5))
    site.store("images").put(PACKED, foreign)
    _send(site, PACKED, tiny_fits_fz())
    assert _outcome(site, PACKED) == "quarantined: conflicts-with-archive"
    assert sites.objects(site, "images") == {ARCHIVE: foreign}


def test_what_another_put_there_and_nobody_can_read_is_never_overwritten(
    site: Site,
) -> None:
    site.store("images").put(PACKED, b"foreign")
    _send(site, PACKED, tiny_fits_fz())
    assert _outcome(site, PACKED) == "quarantined: conflicts-with-archive"
    assert sites.objects(site, "images") == {ARCHIVE: b"foreign"}


@pytest.fixture
def source(site: Site) -> Source:
    _send(site, f"{IMAGE}.jpg", jpeg())
    source = sites.source_named(site, f"{IMAGE}.jpg")
    open_entry(site, source)
    return source


def test_an_output_is_required_in_the_bytes_and_generation_that_were_made(
    site: Site, source: Source
) -> None:
    output, owner = deposit(site, source, b"one", same=lambda stored: False)
    assert owner is None
    assert require(site, output) == b"one"
    site.store("previews").put(KEPT, b"two")
    with pytest.raises(OutputLost, match=f"previews/{KEPT}"):
        require(site, output)
    roll_back(site, output)
    assert sites.objects(site) == {f"previews/{KEPT}": b"two"}
    site.store("previews").delete(KEPT)
    roll_back(site, output)
    with pytest.raises(OutputLost):
        require(site, output)


def test_a_withdrawn_output_is_gone(site: Site, source: Source) -> None:
    output, _ = deposit(site, source, b"one", same=lambda stored: False)
    roll_back(site, output)
    assert sites.objects(site) == {}


def test_an_object_of_other_content_is_a_conflict(site: Site, source: Source) -> None:
    site.store("previews").put(KEPT, b"two")
    with pytest.raises(BadInput) as conflict:
        deposit(site, source, b"one", same=lambda _: False)
    assert conflict.value.code == "conflicts-with-archive"


@pytest.mark.parametrize(
    "damage",
    [
        lambda archive: archive[:1000],
        lambda archive: archive[:2880] + bytes(2880),
        lambda archive: archive[:6000] + b"X" + archive[6001:],
    ],
    ids=["cut", "emptied", "a changed byte"],
)
def test_a_kept_source_mends_its_damaged_archive(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    site = sites.kept(tmp_path, previews_wanted=False)
    _send(site, FITS, tiny_fits())
    assert _outcome(site, FITS) == "catalogued"
    archive = Path(site.settings.images) / ARCHIVE.removeprefix("images/")
    whole = archive.read_bytes()
    archive.write_bytes(damage(whole))
    assert _outcome(site, FITS) == "catalogued"
    assert archive.read_bytes() == whole
    assert _outcome(site, FITS) == "already"


def test_a_file_that_conflicted_is_taken_once_the_other_has_gone(tmp_path: Path) -> None:
    site = sites.kept(tmp_path, previews_wanted=False)
    _send(site, PACKED, tiny_fits_fz())
    _outcome(site, PACKED)
    (sites.incoming(site) / PACKED).unlink()
    _send(site, FITS, tiny_fits({"AIRMASS": 1.5}))
    assert _outcome(site, FITS) == "quarantined: conflicts-with-archive"
    assert _outcome(site, FITS) == "quarantined: conflicts-with-archive"
    (Path(site.settings.images) / ARCHIVE.removeprefix("images/")).unlink()
    assert _outcome(site, FITS) == "catalogued"


@pytest.mark.parametrize("same_length", [True, False])
def test_a_damaged_archive_that_is_all_a_duplicate_has_is_replaced_by_its_like_alone(
    site: Site, same_length: bool
) -> None:
    _send(site, FITS, tiny_fits())
    assert _outcome(site, FITS) == "catalogued"
    _send(site, PACKED, tiny_fits_fz())
    assert _outcome(site, PACKED) == "already"
    whole = sites.objects(site, "images")[ARCHIVE]
    if same_length:
        quietly_spoil(site, "images", PACKED)
    else:
        (Path(site.settings.images) / PACKED).write_bytes(whole[:-3000])
    damaged = (Path(site.settings.images) / PACKED).read_bytes()
    newer = tiny_fits(seed=1)
    _send(site, FITS, newer, hours=1)
    assert _outcome(site, FITS) == "quarantined: conflicts-with-archive"
    assert (Path(site.settings.images) / PACKED).read_bytes() == damaged
    assert list(sites.objects(site, "quarantine").values()) == [newer]
    _send(site, FITS, tiny_fits(), hours=2)
    assert _outcome(site, FITS) == "catalogued"
    assert sites.objects(site, "images") == {ARCHIVE: whole}


def test_a_damaged_archive_that_another_stands_on_is_made_again_of_the_same_upload(
    site: Site,
) -> None:
    """In whatever coding: the pixels are the same."""
    _send(site, FITS, tiny_fits())
    _outcome(site, FITS)
    _send(site, PACKED, tiny_fits_fz())
    assert _outcome(site, PACKED) == "already"
    quietly_spoil(site, "images", PACKED)
    site.settings.compression = "RICE_1"
    _send(site, FITS, tiny_fits(), hours=1)
    assert _outcome(site, FITS) == "catalogued"
    stored, _ = site.store("images").read(PACKED)
    assert same_image(tiny_fits_fz(), stored)


def test_an_entry_that_cannot_be_read_holds_up_no_other_file_of_its_image(
    site: Site,
) -> None:
    _send(site, PACKED, tiny_fits_fz())
    _outcome(site, PACKED)
    audited.change(site, "files", document_key(PACKED), failures="x")
    _send(site, FITS, tiny_fits())
    assert _outcome(site, FITS) in ("already", "catalogued")
    _send(site, FITS, tiny_fits(seed=1), hours=1)
    assert _outcome(site, FITS) == "quarantined: conflicts-with-archive"
    assert sites.objects(site, "images") == {ARCHIVE: tiny_fits_fz()}


def test_what_a_stalled_run_makes_of_an_older_upload_covers_nothing_newer(
    site: Site, source: Source
) -> None:
    old, path = source, "a.preview-1024.jpg"
    renew(site, old, "previews", path, b"older")
    time.sleep(0.01)
    _send(site, old.name, jpeg(shade=40))
    newer = sites.source_named(site, old.name)
    assert newer.generation != old.generation
    open_entry(site, newer)
    renew(site, newer, "previews", path, b"newer")
    with pytest.raises(NotFound, match="newer upload"):
        renew(site, old, "previews", path, b"older")
    assert sites.objects(site, "previews") == {f"previews/{path}": b"newer"}
