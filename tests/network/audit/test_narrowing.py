"""How far an audit looks, and by which indexes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from panoptes.network.audit import audit
from panoptes.network.ingest.ledger import now
from panoptes.network.site import Site
from tests import audited, sites
from tests.audited import (
    OTHER,
    found,
    truth,
)
from tests.files import IMAGE, LATER, SEQUENCE, SEQUENCE_ID
from tests.recording import Recording

OTHER_ID = "PAN002_aabbcc_20180220T090000"


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
