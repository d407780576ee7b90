"""What an audit finds and cannot mend."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from panoptes.network.audit import audit
from panoptes.network.ingest.cases import cases
from panoptes.network.ingest.rescue import rescue_case
from panoptes.network.site import Site
from tests import audited, sites
from tests.audited import (
    BAD,
    IMAGE_ID,
    LATER_ID,
    STRAY,
    change,
    entry_key,
    found,
    path_of,
    quietly_spoil,
    truth,
)
from tests.files import IMAGE, LATER, SEQUENCE_ID, tiny_fits, tiny_fits_fz

Break = Callable[[Site], object]


Found = set[tuple[str, str]]


def failed(site: Site, failures: int, *, waits: bool = True) -> None:
    name = f"{LATER}.fits"
    if waits:
        info = site.store("incoming").put(name, audited.NIGHT[name])
        change(site, "files", entry_key(name), generation=info.generation)
    change(site, "files", entry_key(name), outcome="failed", failures=failures, reason="ouch")


def changed_copy(site: Site) -> None:
    audited.copy_document(site, "images", IMAGE_ID, f"{IMAGE_ID}-copy")
    change(site, "images", f"{IMAGE_ID}-copy", exptime=1.0)


FOR_PEOPLE: dict[str, tuple[Break, Found]] = {
    "an archived file was deleted": (
        lambda n: n.store("images").delete(f"{LATER}.fits.fz"),
        {("object-missing", f"images/{LATER}.fits.fz")},
    ),
    "a byte of an archived file was flipped": (
        lambda n: audited.spoil(n, "images", f"{IMAGE}.fits.fz"),
        {("object-damaged", f"images/{IMAGE}.fits.fz")},
    ),
    "an archived file was cut short": (
        lambda n: n.store("images").put(f"{IMAGE}.fits.fz", b"short"),
        {("object-damaged", f"images/{IMAGE}.fits.fz")},
    ),
    "a camera raw was deleted": (
        lambda n: n.store("originals").delete(f"{IMAGE}.cr2"),
        {("object-missing", f"originals/{IMAGE}.cr2")},
    ),
    "a picture was deleted": (
        lambda n: n.store("previews").delete(f"{IMAGE}.jpg"),
        {("object-missing", f"previews/{IMAGE}.jpg")},
    ),
    "a colour plane lies there that nobody knows": (
        lambda n: n.store("rgb").put(f"{LATER}_r.fits.fz", b"plane"),
        {("object-orphaned", f"rgb/{LATER}_r.fits.fz")},
    ),
    "an object of a strange name lies in images": (
        lambda n: n.store("images").put("PAN001/notes.txt", b"notes"),
        {("object-orphaned", "images/PAN001/notes.txt")},
    ),
    "an open entry's upload is gone": (
        lambda n: change(n, "files", entry_key(f"{LATER}.fits"), "outcome"),
        {("upload-lost", f"files/{entry_key(f'{LATER}.fits')}")},
    ),
    "a failed file's upload is gone": (
        lambda n: failed(n, 1, waits=False),
        {("upload-lost", f"files/{entry_key(f'{LATER}.fits')}")},
    ),
    "a file was given up": (
        lambda n: failed(n, 2),
        {("given-up", f"files/{entry_key(f'{LATER}.fits')}")},
    ),
    "an image is catalogued a second time, and changed": (
        changed_copy,
        {("catalogued-twice", f"images/{IMAGE_ID}-copy"), ("count-wrong", "units/PAN001")},
    ),
    "an image was written into another observation": (
        lambda n: change(n, "images", LATER_ID, sequence_id="PAN001_14d3bd_20180301T000000"),
        {
            ("image-missing", f"images/{LATER_ID}"),
            ("count-wrong", f"observations/{SEQUENCE_ID}"),
            ("entry-missing", f"images/{LATER_ID}"),
            ("document-missing", "observations/PAN001_14d3bd_20180301T000000"),
        },
    ),
    "a unit that has no image any more counts some": (
        lambda n: n.catalog.create("units", "PAN009", {"name": "PAN009", "num_images": 3}),
        {("count-wrong", "units/PAN009")},
    ),
    "an entry cannot be read": (
        lambda n: change(n, "files", entry_key(f"{IMAGE}.jpg"), generation="many"),
        {
            ("document-unreadable", f"files/{entry_key(f'{IMAGE}.jpg')}"),
            ("object-orphaned", f"previews/{IMAGE}.jpg"),
        },
    ),
}
"""What was done, and what the audit finds. Somebody has to decide what becomes of it."""


@pytest.mark.parametrize("case", FOR_PEOPLE)
def test_what_nobody_can_bring_back_is_found_and_nothing_is_lost_by_repairing(
    site: Site, case: str
) -> None:
    break_it, expected = FOR_PEOPLE[case]
    break_it(site)
    assert found(site) == expected
    before = sites.objects(site)
    results = audited.repaired(site)
    left = {audited.about(r.finding) for r in results if not r.mended}
    assert left <= expected
    assert left
    after = sites.objects(site)
    assert {name: after[name] for name in before} == before


def test_a_quarantined_file_that_is_gone_or_changed_is_found(site: Site) -> None:
    bad, stray = path_of(site, BAD), path_of(site, STRAY)
    site.store("quarantine").delete(bad)
    site.store("quarantine").put(stray, b"other")
    assert found(site) == {
        ("quarantine-missing", f"quarantine/{bad}"),
        ("object-damaged", f"quarantine/{stray}"),
    }


@pytest.mark.parametrize("suffix", [".fits", ".fits.fz"])
def test_a_stray_whose_upload_is_a_case_already_is_left_to_a_person(
    site: Site, suffix: str
) -> None:
    stem = IMAGE.replace("20180216T110623", "20180216T110624")
    data = tiny_fits(seed=9) if suffix == ".fits" else tiny_fits_fz(tiny_fits(seed=9))
    site.store("images").put(f"{stem}.fits.fz", tiny_fits_fz(tiny_fits(seed=9)))
    site.store("incoming").put(f"{stem}{suffix}", data)
    sites.ingest_all(site)
    assert sites.entry_of(site, f"{stem}{suffix}").code == "conflicts-with-archive"
    before = sites.objects(site), sites.documents(site)
    for _ in range(2):
        left = {audited.about(r.finding) for r in audited.repaired(site) if not r.mended}
        assert left == {("object-orphaned", f"images/{stem}.fits.fz")}
        assert (sites.objects(site), sites.documents(site)) == before


def test_what_is_wrong_with_an_image_is_told_in_words(site: Site) -> None:
    change(site, "images", LATER_ID, crc32c="AAAAAA==")
    (finding,) = audit(site)
    assert finding.sentence == (
        f"The image {LATER_ID} names another archived file, size or checksum than the ledger."
    )


def test_only_reading_back_finds_damage_that_left_no_trace(site: Site) -> None:
    quietly_spoil(site, "images", f"{IMAGE}.fits.fz")
    quietly_spoil(site, "rgb", f"{IMAGE}_r.fits.fz")
    quietly_spoil(site, "quarantine", path_of(site, BAD))
    assert found(site) == set()
    expected = {
        ("object-damaged", f"images/{IMAGE}.fits.fz"),
        ("object-damaged", f"rgb/{IMAGE}_r.fits.fz"),
        ("object-damaged", f"quarantine/{path_of(site, BAD)}"),
    }
    assert found(site, deep=True) == expected
    audited.repaired(site, deep=True)
    expected.remove(("object-damaged", f"rgb/{IMAGE}_r.fits.fz"))
    assert found(site, deep=True) == expected


def test_a_rescued_file_waits_like_any_upload(site: Site) -> None:
    failed(site, 2)
    [case] = [case for case in cases(site) if case.entry.name == f"{LATER}.fits"]
    rescue_case(site, case, by="me")
    for case in cases(site):
        rescue_case(site, case, by="me")
    assert found(site) == set()
    sites.ingest_all(site)
    assert found(site, deep=True, truth=truth()) == set()
