"""Objects of record: placed once, replaced only by their own, never by another's."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.network import PanoptesNetwork
from panoptes.network.errors import BadInput
from panoptes.network.fits.archive import same_image
from panoptes.network.ingest.deposit import OutputLost, deposit, require, withdraw
from panoptes.network.ingest.ledger import open_entry
from panoptes.network.ingest.outcome import Source
from panoptes.network.names import document_key
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


@pytest.fixture
def network(tmp_path: Path) -> PanoptesNetwork:
    return sites.drained(tmp_path, previews_wanted=False)


def _send(network: PanoptesNetwork, name: str, data: bytes, *, hours: float = 0) -> None:
    place(sites.incoming(network), name, data, moment=UPLOADED + timedelta(hours=hours))


def _outcome(network: PanoptesNetwork, name: str) -> str:
    return sites.outcomes(sites.run(network))[name]


@pytest.mark.parametrize("name", [FITS, f"{IMAGE}.FITS"])
def test_a_plain_and_a_packed_file_of_one_image_are_one_archive(
    network: PanoptesNetwork, name: str
) -> None:
    _send(network, PACKED, tiny_fits_fz())
    assert _outcome(network, PACKED) == "catalogued"
    before = sites.objects(network)
    _send(network, name, tiny_fits())
    result = sites.run(network)[name]
    assert (result.outcome, result.location, result.path) == ("already", "images", PACKED)
    assert sites.objects(network) == before
    assert sites.entry_of(network, name).duplicate_of == PACKED
    assert sites.waiting(network) == []


def test_whichever_of_the_two_comes_first_is_the_archive(network: PanoptesNetwork) -> None:
    _send(network, FITS, tiny_fits())
    _send(network, PACKED, tiny_fits_fz())
    assert sites.outcomes(sites.run(network)) == {FITS: "catalogued", PACKED: "already"}
    assert sites.entry_of(network, PACKED).duplicate_of == FITS


@pytest.mark.parametrize("cards", [{"AIRMASS": 1.5}, {"NEWCARD": 1}])
def test_a_second_file_of_an_image_that_differs_in_a_card_goes_aside(
    network: PanoptesNetwork, cards: dict[str, float]
) -> None:
    _send(network, PACKED, tiny_fits_fz())
    sites.run(network)
    other = tiny_fits(cards)
    _send(network, FITS, other)
    assert _outcome(network, FITS) == "quarantined: conflicts-with-archive"
    assert sites.objects(network, "images") == {ARCHIVE: tiny_fits_fz()}
    assert list(sites.objects(network, "quarantine").values()) == [other]


def test_the_older_path_with_a_field_name_is_the_same_image(network: PanoptesNetwork) -> None:
    _send(network, FIELD, tiny_fits_fz())
    assert _outcome(network, FIELD) == "catalogued"
    assert sites.objects(network, "images") == {ARCHIVE: tiny_fits_fz()}
    _send(network, PACKED, tiny_fits_fz())
    assert _outcome(network, PACKED) == "already"
    _send(network, PACKED, tiny_fits_fz(tiny_fits(seed=1)), hours=1)
    assert _outcome(network, PACKED) == "quarantined: conflicts-with-archive"


def test_a_newer_generation_replaces_the_older(network: PanoptesNetwork) -> None:
    _send(network, PACKED, tiny_fits_fz())
    sites.run(network)
    newer = tiny_fits_fz(tiny_fits({"AIRMASS": 1.5}, seed=1))
    _send(network, PACKED, newer, hours=1)
    assert _outcome(network, PACKED) == "catalogued"
    assert sites.objects(network, "images") == {ARCHIVE: newer}
    image = sites.document(network, "images", "PAN001_14d3bd_20180216T112430")
    assert image["airmass"] == 1.5
    assert image["size"] == len(newer)
    observation = sites.document(network, "observations", SEQUENCE_ID)
    assert observation["num_images"] == 1


def test_a_good_generation_replaces_the_archive_after_a_bad_one_went_aside(
    network: PanoptesNetwork,
) -> None:
    _send(network, PACKED, tiny_fits_fz())
    sites.run(network)
    _send(network, PACKED, tiny_fits_fz()[:4000], hours=1)
    assert _outcome(network, PACKED).startswith("quarantined")
    assert sites.objects(network, "images") == {ARCHIVE: tiny_fits_fz()}
    newer = tiny_fits_fz(tiny_fits(seed=1))
    _send(network, PACKED, newer, hours=2)
    assert _outcome(network, PACKED) == "catalogued"
    assert sites.objects(network, "images") == {ARCHIVE: newer}


@pytest.mark.parametrize("bad_between", [False, True])
def test_a_newer_generation_of_a_duplicate_never_replaces_the_others_archive(
    network: PanoptesNetwork, bad_between: bool
) -> None:
    _send(network, PACKED, tiny_fits_fz())
    sites.run(network)
    _send(network, FITS, tiny_fits())
    assert _outcome(network, FITS) == "already"
    if bad_between:
        _send(network, FITS, b"broken", hours=1)
        assert _outcome(network, FITS) == "quarantined: not-fits"
    _send(network, FITS, tiny_fits(seed=1), hours=2)
    assert _outcome(network, FITS) == "quarantined: conflicts-with-archive"
    assert sites.objects(network, "images") == {ARCHIVE: tiny_fits_fz()}


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
    network: PanoptesNetwork,
    first: tuple[str, Callable[[], bytes]],
    second: tuple[str, Callable[[], bytes]],
) -> None:
    for name, make in (first, second):
        _send(network, name, make())
        _outcome(network, name)
    archived = sites.objects(network, "images")
    name = first[0]
    newer = tiny_fits(seed=1)
    newer = tiny_fits_fz(newer) if name == PACKED else newer
    _send(network, name, newer, hours=1)
    assert _outcome(network, name) == "quarantined: conflicts-with-archive"
    assert sites.objects(network, "images") == archived
    assert list(sites.objects(network, "quarantine").values()) == [newer]
    _send(network, name, first[1](), hours=2)
    assert _outcome(network, name) in ("catalogued", "already")
    assert sites.objects(network, "images") == archived


def test_two_pictures_under_one_name_are_one_or_the_second_goes_aside(
    network: PanoptesNetwork,
) -> None:
    _send(network, f"{IMAGE}.jpg", jpeg())
    sites.run(network)
    _send(network, f"{IMAGE}.JPEG", jpeg())
    assert _outcome(network, f"{IMAGE}.JPEG") == "already"
    _send(network, f"{IMAGE}.jpeg", jpeg(shade=10))
    assert _outcome(network, f"{IMAGE}.jpeg") == "quarantined: conflicts-with-archive"


def test_a_camera_raw_under_two_names_is_made_once(tmp_path: Path) -> None:
    network = sites.kept(tmp_path, previews_wanted=False)
    data = tiny_cr2()
    field = FIELD.replace(".fits.fz", ".cr2")
    for name in (f"{IMAGE}.cr2", field):
        place(sites.incoming(network), name, data)
    assert sites.outcomes(sites.run(network)) == {f"{IMAGE}.cr2": "catalogued", field: "already"}
    before = sites.objects(network), sites.documents(network)
    assert sites.outcomes(sites.run(network)) == {f"{IMAGE}.cr2": "already", field: "already"}
    assert (sites.objects(network), sites.documents(network)) == before


@pytest.mark.parametrize("same_length", [True, False])
def test_an_archive_that_was_damaged_is_made_again_and_the_upload_not_blamed(
    tmp_path: Path, same_length: bool
) -> None:
    network = sites.kept(tmp_path, previews_wanted=False)
    data = tiny_fits_fz()
    place(sites.incoming(network), PACKED, data)
    sites.run(network)
    path = Path(network.images, PACKED)
    seen = path.stat()
    damaged = data[:-3000] + (bytes(3000) if same_length else b"")
    path.write_bytes(damaged)
    if same_length:  # bit rot: nobody wrote, so no time changed
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        place(sites.incoming(network), PACKED, data, moment=UPLOADED + timedelta(hours=1))
        place(sites.incoming(network), FITS, tiny_fits())
    assert "quarantined" not in {r.outcome for r in sites.run(network).values()}
    if not same_length:
        assert path.read_bytes() == data


def test_what_another_put_there_is_never_overwritten(network: PanoptesNetwork) -> None:
    foreign = tiny_fits_fz(tiny_fits(seed=5))
    network.store("images").put(PACKED, foreign)
    _send(network, PACKED, tiny_fits_fz())
    assert _outcome(network, PACKED) == "quarantined: conflicts-with-archive"
    assert sites.objects(network, "images") == {ARCHIVE: foreign}


def test_what_another_put_there_and_nobody_can_read_is_never_overwritten(
    network: PanoptesNetwork,
) -> None:
    network.store("images").put(PACKED, b"foreign")
    _send(network, PACKED, tiny_fits_fz())
    assert _outcome(network, PACKED) == "quarantined: conflicts-with-archive"
    assert sites.objects(network, "images") == {ARCHIVE: b"foreign"}


@pytest.fixture
def source(network: PanoptesNetwork) -> Source:
    _send(network, f"{IMAGE}.jpg", jpeg())
    source = sites.source_named(network, f"{IMAGE}.jpg")
    open_entry(network, source)
    return source


def test_an_output_is_required_in_the_bytes_and_generation_that_were_made(
    network: PanoptesNetwork, source: Source
) -> None:
    output, owner = deposit(
        network, source, "picture", "previews", "a.jpg", b"one", same=lambda stored: False
    )
    assert owner is None
    assert require(network, output) == b"one"
    network.store("previews").put("a.jpg", b"two")
    with pytest.raises(OutputLost, match=r"previews/a\.jpg"):
        require(network, output)
    withdraw(network, output)
    assert sites.objects(network) == {"previews/a.jpg": b"two"}
    network.store("previews").delete("a.jpg")
    withdraw(network, output)
    with pytest.raises(OutputLost):
        require(network, output)


def test_a_withdrawn_output_is_gone(network: PanoptesNetwork, source: Source) -> None:
    output, _ = deposit(
        network, source, "picture", "previews", "a.jpg", b"one", same=lambda stored: False
    )
    withdraw(network, output)
    assert sites.objects(network) == {}


def test_an_object_of_other_content_is_a_conflict(network: PanoptesNetwork, source: Source) -> None:
    network.store("previews").put("a.jpg", b"two")
    with pytest.raises(BadInput) as conflict:
        deposit(network, source, "picture", "previews", "a.jpg", b"one", same=lambda _: False)
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
    network = sites.kept(tmp_path, previews_wanted=False)
    _send(network, FITS, tiny_fits())
    assert _outcome(network, FITS) == "catalogued"
    archive = Path(network.images) / ARCHIVE.removeprefix("images/")
    whole = archive.read_bytes()
    archive.write_bytes(damage(whole))
    assert _outcome(network, FITS) == "catalogued"
    assert archive.read_bytes() == whole
    assert _outcome(network, FITS) == "already"


def test_a_file_that_conflicted_is_taken_once_the_other_has_gone(tmp_path: Path) -> None:
    network = sites.kept(tmp_path, previews_wanted=False)
    _send(network, PACKED, tiny_fits_fz())
    _outcome(network, PACKED)
    (sites.incoming(network) / PACKED).unlink()
    _send(network, FITS, tiny_fits({"AIRMASS": 1.5}))
    assert _outcome(network, FITS) == "quarantined: conflicts-with-archive"
    assert _outcome(network, FITS) == "quarantined: conflicts-with-archive"
    (Path(network.images) / ARCHIVE.removeprefix("images/")).unlink()
    assert _outcome(network, FITS) == "catalogued"


@pytest.mark.parametrize("same_length", [True, False])
def test_a_damaged_archive_that_is_all_a_duplicate_has_is_replaced_by_its_like_alone(
    network: PanoptesNetwork, same_length: bool
) -> None:
    _send(network, FITS, tiny_fits())
    assert _outcome(network, FITS) == "catalogued"
    _send(network, PACKED, tiny_fits_fz())
    assert _outcome(network, PACKED) == "already"
    whole = sites.objects(network, "images")[ARCHIVE]
    if same_length:
        quietly_spoil(network, "images", PACKED)
    else:
        (Path(network.images) / PACKED).write_bytes(whole[:-3000])
    damaged = (Path(network.images) / PACKED).read_bytes()
    newer = tiny_fits(seed=1)
    _send(network, FITS, newer, hours=1)
    assert _outcome(network, FITS) == "quarantined: conflicts-with-archive"
    assert (Path(network.images) / PACKED).read_bytes() == damaged
    assert list(sites.objects(network, "quarantine").values()) == [newer]
    _send(network, FITS, tiny_fits(), hours=2)
    assert _outcome(network, FITS) == "catalogued"
    assert sites.objects(network, "images") == {ARCHIVE: whole}


def test_a_damaged_archive_that_another_stands_on_is_made_again_of_the_same_upload(
    network: PanoptesNetwork,
) -> None:
    """In whatever coding: the pixels are the same."""
    _send(network, FITS, tiny_fits())
    _outcome(network, FITS)
    _send(network, PACKED, tiny_fits_fz())
    assert _outcome(network, PACKED) == "already"
    quietly_spoil(network, "images", PACKED)
    network.compression = "RICE_1"
    _send(network, FITS, tiny_fits(), hours=1)
    assert _outcome(network, FITS) == "catalogued"
    stored, _ = network.store("images").read(PACKED)
    assert same_image(tiny_fits_fz(), stored)


def test_an_entry_that_cannot_be_read_holds_up_no_other_file_of_its_image(
    network: PanoptesNetwork,
) -> None:
    _send(network, PACKED, tiny_fits_fz())
    _outcome(network, PACKED)
    audited.change(network, "files", document_key(PACKED), failures="x")
    _send(network, FITS, tiny_fits())
    assert _outcome(network, FITS) in ("already", "catalogued")
    _send(network, FITS, tiny_fits(seed=1), hours=1)
    assert _outcome(network, FITS) == "quarantined: conflicts-with-archive"
    assert sites.objects(network, "images") == {ARCHIVE: tiny_fits_fz()}
