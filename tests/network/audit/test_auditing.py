"""What an audit finds and cannot mend, what it leaves alone, and how far it looks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest

from panoptes.network.audit import audit
from panoptes.network.errors import ConfigurationError
from panoptes.network.ingest.cases import cases
from panoptes.network.ingest.lease import Lease
from panoptes.network.ingest.ledger import now
from panoptes.network.ingest.rescue import rescue_case
from panoptes.network.site import Site
from tests import audited, sites
from tests.audited import (
    BAD,
    FIELD,
    IMAGE_ID,
    LATER_ID,
    OTHER,
    STRAY,
    change,
    found,
    quietly_spoil,
    truth,
)
from tests.files import IMAGE, LATER, SEQUENCE, SEQUENCE_ID, jpeg, tiny_fits, tiny_fits_fz
from tests.recording import Recording

Break = Callable[[Site], object]
Found = set[tuple[str, str]]
OTHER_ID = "PAN002_aabbcc_20180220T090000"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return audited.ingested(sites.drained(tmp_path, failure_limit=2))


def entry(name: str) -> str:
    return audited.entry_key(name)


def path_of(site: Site, name: str) -> str:
    path = sites.entry_of(site, name).path
    assert path is not None
    return path


def failed(site: Site, failures: int, *, waits: bool = True) -> None:
    name = f"{LATER}.fits"
    if waits:
        info = site.store("incoming").put(name, audited.NIGHT[name])
        change(site, "files", entry(name), generation=info.generation)
    change(site, "files", entry(name), outcome="failed", failures=failures, reason="ouch")


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
        lambda n: change(n, "files", entry(f"{LATER}.fits"), "outcome"),
        {("upload-lost", f"files/{entry(f'{LATER}.fits')}")},
    ),
    "a failed file's upload is gone": (
        lambda n: failed(n, 1, waits=False),
        {("upload-lost", f"files/{entry(f'{LATER}.fits')}")},
    ),
    "a file was given up": (
        lambda n: failed(n, 2),
        {("given-up", f"files/{entry(f'{LATER}.fits')}")},
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
        lambda n: change(n, "files", entry(f"{IMAGE}.jpg"), generation="many"),
        {
            ("document-unreadable", f"files/{entry(f'{IMAGE}.jpg')}"),
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


def test_what_is_wrong_with_an_image_is_told_in_words(site: Site) -> None:
    change(site, "images", LATER_ID, crc32c="AAAAAA==")
    (finding,) = audit(site)
    assert finding.sentence == (
        f"The image {LATER_ID} names another archived file, size or checksum than the ledger."
    )


def test_a_quarantined_file_that_is_gone_or_changed_is_found(site: Site) -> None:
    bad, stray = path_of(site, BAD), path_of(site, STRAY)
    site.store("quarantine").delete(bad)
    site.store("quarantine").put(stray, b"other")
    assert found(site) == {
        ("quarantine-missing", f"quarantine/{bad}"),
        ("object-damaged", f"quarantine/{stray}"),
    }


@pytest.mark.parametrize("name", [f"{SEQUENCE}/20180216T114000.fits", "PAN001/notes.txt"])
def test_a_quarantined_file_of_which_no_document_speaks_is_judged_again(
    site: Site, name: str
) -> None:
    site.store("quarantine").put(f"{name}@12", b"what is this")
    assert found(site) == {("quarantine-orphaned", f"quarantine/{name}@12")}
    assert all(result.mended for result in audited.repaired(site))
    assert found(site) == set()
    assert sites.entry_of(site, name).outcome == "quarantined"
    assert sites.waiting(site) == []


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


def test_a_stray_that_differs_from_what_is_in_quarantine_is_judged(
    site: Site,
) -> None:
    stem = IMAGE.replace("20180216T110623", "20180216T110624")
    site.store("images").put(f"{stem}.fits.fz", tiny_fits_fz(tiny_fits(seed=9)))
    site.store("incoming").put(f"{stem}.fits", tiny_fits(seed=8))
    sites.ingest_all(site)
    audited.repaired(site)
    assert sites.entry_of(site, f"{stem}.fits.fz").code == "conflicts-with-archive"


@pytest.mark.parametrize("again", [False, True])
def test_an_entry_that_cannot_be_read_holds_up_no_other_repair(site: Site, again: bool) -> None:
    broken = entry(f"{IMAGE}.fits.fz")
    if again:
        audited.send(site, f"{IMAGE}.fits.fz")
    change(site, "files", broken, failures="x")
    site.store("previews").delete(f"{LATER}.preview-1024.jpg")
    results = audited.repaired(site)
    mended = {audited.about(r.finding) for r in results if r.mended}
    assert mended == {("object-missing", f"previews/{LATER}.preview-1024.jpg")}
    left = {audited.about(r.finding) for r in results if not r.mended}
    assert ("document-unreadable", f"files/{broken}") in left


def test_a_file_where_a_folder_should_be_holds_up_no_other_repair(
    site: Site,
) -> None:
    site.store("quarantine").put("a/b.txt@12", b"one")
    site.store("quarantine").put("c.txt@12", b"two")
    sites.incoming(site).joinpath("a").write_bytes(b"")
    mended = {r.finding.name for r in audited.repaired(site) if r.mended}
    assert mended == {"c.txt@12"}
    sites.incoming(site).joinpath("a").unlink()
    assert all(r.mended for r in audited.repaired(site))


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


def test_damage_without_a_trace_is_mended_by_the_upload_that_is_sent_again(
    site: Site,
) -> None:
    quietly_spoil(site, "images", f"{LATER}.fits.fz")
    audited.send(site, f"{LATER}.fits")
    assert all(r.mended for r in audited.repaired(site, deep=True))
    assert found(site, deep=True, truth=truth()) == set()


def test_what_a_live_run_holds_is_left_alone(site: Site) -> None:
    site.store("previews").delete(f"{LATER}.preview-1024.jpg")
    change(site, "files", entry(f"{LATER}.fits"), "outcome")
    lease = Lease(site.catalog, SEQUENCE_ID, 60)
    assert lease.take()
    assert found(site) == set()
    lease.drop()
    assert ("object-missing", f"previews/{LATER}.preview-1024.jpg") in found(site)


def test_a_network_at_work_shows_nothing_that_is_not_wrong(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    kept = {name for name in audited.NIGHT if name.startswith("PAN001")}
    child = os.fork()
    if child == 0:
        try:
            own = Site.in_folder(tmp_path / "data")
            for _ in range(4):
                audited.send(own, *sorted(kept))
                sites.ingest_all(own)
        finally:
            os._exit(0)
    seen: Found = set()
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        seen |= found(site)
    assert seen == set()
    assert found(site, deep=True, truth=truth(kept.__contains__)) == set()


def test_a_rescued_file_waits_like_any_upload(site: Site) -> None:
    failed(site, 2)
    [case] = [case for case in cases(site) if case.entry.name == f"{LATER}.fits"]
    rescue_case(site, case, by="me")
    for case in cases(site):
        rescue_case(site, case, by="me")
    assert found(site) == set()
    sites.ingest_all(site)
    assert found(site, deep=True, truth=truth()) == set()


def test_a_run_that_died_long_ago_is_found_by_its_lease(site: Site) -> None:
    lease = {"holder": "another machine", "expires": now() - timedelta(hours=2), "again": False}
    site.catalog.create("leases", SEQUENCE_ID, lease)
    assert found(site) == {("lease-left", f"leases/{SEQUENCE_ID}")}
    assert found(site, unit="PAN002") == set()
    assert all(result.mended for result in audited.repaired(site))
    assert found(site) == set()
    assert site.catalog.get("leases", SEQUENCE_ID) is None


def test_uploads_that_wait_are_as_they_should_be_for_an_hour(site: Site) -> None:
    name = f"{SEQUENCE}/20180216T115000.fits"
    site.store("incoming").put(name, tiny_fits(seed=9))
    site.store("incoming").put("PAN001/x.txt", b"x")
    assert found(site) == set()
    for waiting in (name, "PAN001/x.txt"):
        sites.age(sites.incoming(site) / waiting, now() - timedelta(hours=2))
    assert found(site) == {("overdue", f"incoming/{name}"), ("overdue", "incoming/PAN001/x.txt")}
    assert found(site, overdue_after=10_000) == set()
    assert all(result.mended for result in audited.repaired(site))
    assert found(site) == set()
    assert sites.entry_of(site, name).outcome == "archived"


def test_a_broken_run_is_one_finding_and_not_one_an_object(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    audited.send(site, f"{IMAGE}.cr2", f"{IMAGE}.fits.fz")
    died = 0
    for at in range(20, 400, 40):
        died += sites.run_and_die(lambda: site, at)
        kinds = {kind for kind, _ in found(site)}
        assert kinds <= {"entry-stuck", "left-behind", "count-wrong", "document-missing"}
        audited.repaired(site)
        audited.send(site, f"{IMAGE}.cr2", f"{IMAGE}.fits.fz")
    assert died >= 2
    sites.ingest_all(site)
    assert found(site, deep=True) == set()


def test_files_that_are_kept_where_they_are_are_nothing_to_find(tmp_path: Path) -> None:
    site = sites.kept(tmp_path)
    for name, data in audited.NIGHT.items():
        file = sites.incoming(site) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    sites.run(site)
    assert found(site, truth=truth()) == set()
    site.store("images").delete(f"{LATER}.fits.fz")
    site.store("previews").delete(f"{IMAGE}.jpg")
    assert all(result.mended for result in audited.repaired(site))
    assert found(site, deep=True, truth=truth()) == set()


def test_a_newer_upload_and_a_second_file_of_an_image_are_nothing_to_find(
    site: Site,
) -> None:
    incoming = site.store("incoming")
    incoming.put(f"{LATER}.fits", tiny_fits(seed=8))
    sites.ingest_all(site)
    incoming.put(f"{IMAGE}.fits", tiny_fits())  # equal to what is archived
    incoming.put(f"{LATER}.fits.fz", audited.NIGHT[f"{IMAGE}.fits.fz"])  # differs: a conflict
    sites.ingest_all(site)
    incoming.put(f"{LATER}.fits", b"damaged")
    sites.ingest_all(site)
    audited.send(site)
    sites.ingest_all(site)
    assert found(site, deep=True) == set()


def test_other_programs_documents_are_none_of_ours(site: Site) -> None:
    catalog = site.catalog
    catalog.create("units", "PAN007", {"name": "Elsewhere", "power": 12.5})
    catalog.create("observations", "PAN007_aabbcc_20180216T110623", {"status": "new"})
    catalog.create("images", "theirs", {"status": "metadata_received", "sequence_id": "odd"})
    catalog.create(
        "images", "PAN001_14d3bd_20180216T115959",
        {"sequence_id": SEQUENCE_ID, "unit_id": "PAN001", "status": "metadata_received"},
    )  # fmt: skip
    assert found(site) == set()


SCOPES: list[tuple[Mapping[str, str], set[str]]] = [
    ({}, {SEQUENCE, OTHER}),
    ({"unit": "PAN001"}, {SEQUENCE}),
    ({"unit": "PAN003"}, set()),
    ({"night": "20180215"}, {SEQUENCE}),
    ({"night": "2018-02-19", "unit": "PAN002"}, {OTHER}),
    ({"night": "20180219", "unit": "PAN001"}, set()),
    ({"night": "20180216"}, set()),
]
"""On Mauna Loa the night of 15 February ends at 22:22 UTC of the 16th."""


@pytest.mark.parametrize(("scope", "expected"), SCOPES)
def test_a_night_and_a_unit_narrow_what_is_looked_at(
    site: Site, scope: Mapping[str, str], expected: set[str]
) -> None:
    for folder in (SEQUENCE, OTHER):
        site.store("rgb").put(f"{folder}/stray_r.fits.fz", b"stray")
        site.store("quarantine").put(f"{folder}/20180220T091111.fits@5", b"stray")
        site.store("incoming").put(f"{folder}/20180220T092222.fits", b"stray")
        sites.age(
            sites.incoming(site) / f"{folder}/20180220T092222.fits", now() - timedelta(days=1)
        )
    seen: list[str] = []
    findings = list(
        audit(site, watch=seen.append, night=scope.get("night"), unit=scope.get("unit"))
    )
    kinds = {"object-orphaned", "quarantine-orphaned", "overdue"}
    assert {(f.kind.value, f.name.rpartition("/")[0]) for f in findings} == {
        (kind, folder) for kind in kinds for folder in expected
    }
    ids = {SEQUENCE: SEQUENCE_ID, OTHER: OTHER_ID}
    assert [each for each in seen if each.startswith("PAN")] == [ids[e] for e in sorted(expected)]


@pytest.mark.parametrize("scope", [{"night": "tonight"}, {"night": "20180230"}, {"unit": "PAN1"}])
def test_a_night_or_unit_that_is_none_is_refused(site: Site, scope: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="names no"):
        audit(site, night=scope.get("night"), unit=scope.get("unit"))


# The truth


def test_the_truth_may_be_a_file(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "truth.jsonl"
    file.write_text("".join(json.dumps(asdict(upload)) + "\n" for upload in truth()))
    assert found(site, truth=file) == set()
    file.write_text('{"name": "x"}\n')
    with pytest.raises(ConfigurationError, match="line 1"):
        found(site, truth=file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        found(site, truth=tmp_path / "none")


def test_the_truth_knows_what_was_lost_changed_or_misjudged(site: Site) -> None:
    uploads = {upload.name: upload for upload in truth()}
    wrong = [
        replace(uploads[f"{IMAGE}.jpg"], sha256="0" * 64),
        replace(uploads[f"{LATER}.fits"], sha256="1" * 64),
        replace(uploads[FIELD], fate="quarantined"),
        replace(uploads[BAD], code="empty-file"),
        replace(uploads[STRAY], sha256="2" * 64),
        replace(uploads[f"{IMAGE}.cr2"], name=f"{LATER}.cr2"),
        replace(uploads[f"{IMAGE}.fits.fz"], image_id="PAN001_14d3bd_20180216T000000"),
    ]
    assert found(site, truth=wrong) == {
        ("truth-bytes", f"files/{entry(f'{IMAGE}.jpg')}"),
        ("truth-bytes", f"files/{entry(f'{LATER}.fits')}"),
        ("truth-fate", f"files/{entry(FIELD)}"),
        ("truth-fate", f"files/{entry(BAD)}"),
        ("truth-bytes", f"files/{entry(STRAY)}"),
        ("truth-lost", f"files/{entry(f'{LATER}.cr2')}"),
        ("truth-lost", f"files/{entry(f'{IMAGE}.fits.fz')}"),
    }


def test_what_still_waits_is_true_if_its_bytes_are(site: Site) -> None:
    name = f"{SEQUENCE}/20180216T115500.jpg"
    site.store("incoming").put(name, jpeg())
    upload = replace(truth()[0], name=name, sha256=truth(f"{IMAGE}.jpg".__eq__)[0].sha256)
    assert found(site, truth=[upload]) == set()
    site.store("incoming").put(name, jpeg(shade=3))
    assert found(site, truth=[upload]) == {("truth-bytes", f"files/{entry(name)}")}


# What it costs


def test_firestore_has_an_index_for_whatever_an_audit_asks(site: Site) -> None:
    recording = Recording(Path(site.settings.catalog.removeprefix("sqlite:///")))
    site._catalog = recording
    site.store("images").delete(f"{LATER}.fits.fz")
    site.store("previews").delete(f"{IMAGE}.preview-1024.jpg")
    for scope in ({}, {"unit": "PAN001"}, {"night": "20180215"}):
        found(site, truth=truth(), **scope)
    audited.repaired(site)
    assert len(recording.asked) > 20
    assert recording.without_index() == []
