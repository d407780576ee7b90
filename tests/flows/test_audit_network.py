"""The world is broken, one thing a test: the audit says so, and mends what is safe to mend."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from prefect.artifacts import Artifact

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.audit_network import audit_network
from panoptes.network.site import Site
from tests import audited, sites
from tests.audited import BAD, FIELD, IMAGE_ID, LATER_ID, STRAY, change, forget
from tests.files import IMAGE, LATER, SEQUENCE, SEQUENCE_ID, jpeg

Break = Callable[[Site], object]
Found = set[tuple[str, str]]


def entry(name: str) -> str:
    return audited.entry_key(name)


@pytest.fixture
def on_folders(tmp_path: Path) -> Site:
    return sites.drained(tmp_path)


@pytest.fixture
def site(on_folders: Site) -> Site:
    return audited.ingested(on_folders)


def left_in_incoming(site: Site) -> None:
    """As if the run had died between closing the entry and taking the upload away."""
    info = site.store("incoming").put(f"{LATER}.fits", audited.NIGHT[f"{LATER}.fits"])
    change(site, "files", entry(f"{LATER}.fits"), generation=info.generation)


def reopened(site: Site) -> None:
    left_in_incoming(site)
    change(site, "files", entry(f"{LATER}.fits"), "outcome", attempts=2)


def missing_but_sent_again(site: Site) -> None:
    left_in_incoming(site)
    site.store("images").delete(f"{LATER}.fits.fz")


def only_its_archive(site: Site) -> None:
    forget(site, "files", entry(FIELD))
    forget(site, "images", "PAN001_14d3bd_20180216T112830")


MENDED: dict[str, tuple[Break, Found]] = {
    "a preview was deleted": (
        lambda n: n.store("previews").delete(f"{IMAGE}.preview-1024.jpg"),
        {("object-missing", f"previews/{IMAGE}.preview-1024.jpg")},
    ),
    "a preview was damaged": (
        lambda n: audited.spoil(n, "previews", f"{LATER}.preview-1024.jpg"),
        {("object-damaged", f"previews/{LATER}.preview-1024.jpg")},
    ),
    "a colour plane was deleted": (
        lambda n: n.store("rgb").delete(f"{IMAGE}_g.fits.fz"),
        {("object-missing", f"rgb/{IMAGE}_g.fits.fz")},
    ),
    "a colour plane was damaged": (
        lambda n: audited.spoil(n, "rgb", f"{IMAGE}_b.fits.fz"),
        {("object-damaged", f"rgb/{IMAGE}_b.fits.fz")},
    ),
    "an archived file is gone, and its upload still there": (
        missing_but_sent_again,
        {
            ("object-missing", f"images/{LATER}.fits.fz"),
            ("left-behind", f"incoming/{LATER}.fits"),
        },
    ),
    "an archived file came back from a backup": (
        lambda n: audited.rewrite(n, "images", f"{IMAGE}.fits.fz"),
        {("object-moved", f"images/{IMAGE}.fits.fz")},
    ),
    "the image's document is gone": (
        lambda n: forget(n, "images", LATER_ID),
        {
            ("image-missing", f"images/{LATER_ID}"),
            ("count-wrong", f"observations/{SEQUENCE_ID}"),
            ("count-wrong", "units/PAN001"),
        },
    ),
    "the document of an image with a camera raw is gone": (
        lambda n: forget(n, "images", IMAGE_ID),
        {
            ("image-missing", f"images/{IMAGE_ID}"),
            ("count-wrong", f"observations/{SEQUENCE_ID}"),
            ("count-wrong", "units/PAN001"),
        },
    ),
    "the image names another archived file": (
        lambda n: change(n, "images", LATER_ID, bucket_path=f"{IMAGE}.fits.fz"),
        {("image-wrong", f"images/{LATER_ID}")},
    ),
    "the image has a wrong checksum": (
        lambda n: change(n, "images", IMAGE_ID, crc32c="AAAAAA=="),
        {("image-wrong", f"images/{IMAGE_ID}")},
    ),
    "an image is catalogued a second time": (
        lambda n: audited.copy_document(n, "images", IMAGE_ID, f"{IMAGE_ID}-copy"),
        {("catalogued-twice", f"images/{IMAGE_ID}-copy"), ("count-wrong", "units/PAN001")},
    ),
    "the observation's document is gone": (
        lambda n: forget(n, "observations", SEQUENCE_ID),
        {
            ("document-missing", f"observations/{SEQUENCE_ID}"),
            ("count-wrong", "units/PAN001"),
        },
    ),
    "the unit's document is gone": (
        lambda n: forget(n, "units", "PAN001"),
        {("document-missing", "units/PAN001")},
    ),
    "the camera's document is gone": (
        lambda n: forget(n, "cameras", "PAN001_14d3bd"),
        {("document-missing", "cameras/PAN001_14d3bd")},
    ),
    "an observation's count is wrong": (
        lambda n: change(n, "observations", SEQUENCE_ID, num_images=7),
        {("count-wrong", f"observations/{SEQUENCE_ID}")},
    ),
    "an observation's exposure time is wrong": (
        lambda n: change(n, "observations", SEQUENCE_ID, total_exptime=1.5),
        {("count-wrong", f"observations/{SEQUENCE_ID}")},
    ),
    "a unit's counts are wrong": (
        lambda n: change(n, "units", "PAN001", num_images=1, num_observations=9),
        {("count-wrong", "units/PAN001")},
    ),
    "the ledger's entry of a compressed file is gone": (
        lambda n: forget(n, "files", entry(f"{IMAGE}.fits.fz")),
        {("entry-missing", f"images/{IMAGE_ID}")},
    ),
    "the ledger's entry of a plain file is gone": (
        lambda n: forget(n, "files", entry(FIELD)),
        {("entry-missing", "images/PAN001_14d3bd_20180216T112830")},
    ),
    "the ledger's entry of a camera raw is gone": (
        lambda n: forget(n, "files", entry(f"{IMAGE}.cr2")),
        {("entry-missing", f"images/{IMAGE_ID}")},
    ),
    "an archived file is all that is left of an image": (
        only_its_archive,
        {
            ("object-orphaned", f"images/{SEQUENCE}/20180216T112830.fits.fz"),
            ("object-orphaned", f"previews/{SEQUENCE}/20180216T112830.preview-1024.jpg"),
            ("count-wrong", f"observations/{SEQUENCE_ID}"),
            ("count-wrong", "units/PAN001"),
        },
    ),
    "the ledger's entry of a picture is gone": (
        lambda n: forget(n, "files", entry(f"{IMAGE}.jpg")),
        {("object-orphaned", f"previews/{IMAGE}.jpg")},
    ),
    "the ledger's entry of a timelapse is gone": (
        lambda n: forget(n, "files", entry(f"{SEQUENCE}.mp4")),
        {("object-orphaned", f"timelapse/{SEQUENCE}/20180216T110623.mp4")},
    ),
    "a picture lies in previews that nobody knows": (
        lambda n: n.store("previews").put(f"{LATER}.jpg", jpeg(shade=10)),
        {("object-orphaned", f"previews/{LATER}.jpg")},
    ),
    "an entry was never closed": (
        reopened,
        {("entry-stuck", f"files/{entry(f'{LATER}.fits')}")},
    ),
    "an upload was left behind": (
        left_in_incoming,
        {("left-behind", f"incoming/{LATER}.fits")},
    ),
    "a ledger entry is there twice": (
        lambda n: audited.copy_document(n, "files", entry(f"{IMAGE}.jpg"), "copy"),
        {("catalogued-twice", "files/copy")},
    ),
    "an entry in quarantine has no reason": (
        lambda n: change(n, "files", entry(BAD), "reason", "code"),
        {("quarantine-unexplained", f"files/{entry(BAD)}")},
    ),
    "an unroutable name has no reason": (
        lambda n: change(n, "files", entry(STRAY), "reason"),
        {("quarantine-unexplained", f"files/{entry(STRAY)}")},
    ),
}
"""What was done, and what the audit finds. All of it is mended."""


@pytest.mark.parametrize("case", MENDED)
def test_a_broken_world_is_found_mended_and_clean_again(site: Site, case: str) -> None:
    break_it, expected = MENDED[case]
    assert audited.found(site, truth=audited.truth()) == set()
    objects = sites.objects(site)
    break_it(site)
    assert audited.found(site) == expected
    results = audited.repaired(site)
    assert [r.finding for r in results if not r.mended] == []
    # What came back under the archive's own name was uploaded under another.
    uploaded = audited.truth(lambda name: name != FIELD or break_it is not only_its_archive)
    assert audited.found(site, deep=True, truth=uploaded) == set()
    assert objects.keys() - sites.objects(site).keys() == set()


TOGETHER = (
    "a preview was deleted",
    "a colour plane was damaged",
    "an archived file came back from a backup",
    "an upload was left behind",
    "the camera's document is gone",
    "a unit's counts are wrong",
    "the ledger's entry of a picture is gone",
    "the ledger's entry of a plain file is gone",
    "an unroutable name has no reason",
)


def test_buckets_and_firestore_are_audited_and_mended_alike(on_google: Site) -> None:
    site = audited.ingested(on_google)
    assert audited.found(site, deep=True, truth=audited.truth()) == set()
    expected: Found = set()
    for case in TOGETHER:
        break_it, findings = MENDED[case]
        break_it(site)
        expected |= findings
    assert audited.found(site) == expected
    results = audited.repaired(site)
    assert [r.finding for r in results if not r.mended] == []
    assert audited.found(site, deep=True, truth=audited.truth()) == set()


def test_a_run_leaves_a_table_and_fails_only_for_what_is_left(
    prefect_api: LocalStack, tmp_path: Path
) -> None:
    site = audited.ingested(sites.drained(tmp_path))
    PanoptesNetwork.of(site).save("audited", overwrite=True)
    clean = audit_network("audited", return_state=True)
    assert (clean.name, clean.message) == (
        "Completed", "nothing is wrong; nothing waits in incoming",
    )  # fmt: skip
    site.store("previews").delete(f"{IMAGE}.preview-1024.jpg")
    found = audit_network("audited", return_state=True)
    assert found.is_failed()
    assert str(found.message).startswith("1 error (object-missing)")
    shown = Artifact.get("audit-audited")
    assert f"{IMAGE}.preview-1024.jpg is catalogued, but" in str(getattr(shown, "data", None))
    mended = audit_network("audited", repair=True, return_state=True)
    assert mended.is_completed()
    assert str(mended.message).startswith("1 mended, nothing is wrong any more")
    for wrong in ({"night": "tonight"}, {"unit": "PAN1"}, {"network": "none"}):
        failed = audit_network(**wrong, return_state=True)
        assert failed.is_failed()


BROKEN = (
    "a preview was deleted",
    "a colour plane was damaged",
    "the image's document is gone",
    "an image is catalogued a second time",
    "the ledger's entry of a camera raw is gone",
    "the ledger's entry of a timelapse is gone",
    "the observation's document is gone",
    "an entry in quarantine has no reason",
)


def broken(site: Site) -> Site:
    for case in BROKEN:
        MENDED[case][0](site)
    return site


def _names(site: Site) -> set[str]:
    return {name.partition("@")[0] for name in sites.objects(site)}


@pytest.mark.parametrize("part", range(1, 6))
def test_a_repair_that_is_killed_anywhere_is_done_by_the_next(site: Site, part: int) -> None:
    names = _names(site)
    broken(site)
    data = Path(site.settings.images).parent
    site.catalog.close()
    again = partial(Site.in_folder, data, **sites.AT_ONCE)
    assert sites.run_and_die(again, 80 * part, work=audited.repaired)
    sites.ingest_all(site)
    audited.repaired(site)
    assert audited.found(site, deep=True, truth=audited.truth()) == set()
    assert names <= _names(site)
    assert sites.waiting(site) == []


def test_two_repairs_at_once_mend_what_one_does(site: Site) -> None:
    broken(site)
    data = Path(site.settings.images).parent
    site.catalog.close()
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                audited.repaired(Site.in_folder(data, **sites.AT_ONCE))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    audited.repaired(site)
    assert audited.found(site, deep=True, truth=audited.truth()) == set()
    assert sites.waiting(site) == []
