"""Cases of files whose names belong to no observation are not lost by repairs, nor unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.network import PanoptesNetwork
from panoptes.network.audit import audit
from panoptes.network.audit.mending import mend
from panoptes.network.ingest.cases import cases
from panoptes.network.ingest.ledger import open_entry
from tests import audited, sites
from tests.audited import BAD, STRAY, change, entry_key, found, quietly_spoil
from tests.network.audit.test_auditing import path_of


@pytest.fixture
def network(tmp_path: Path) -> PanoptesNetwork:
    network = sites.drained(tmp_path)
    network.check()
    audited.send(network, BAD, STRAY)
    sites.ingest_all(network)
    return network


def _listed(network: PanoptesNetwork) -> set[str]:
    return {case.entry.name for case in cases(network)}


@pytest.mark.parametrize("name", [BAD, STRAY])
@pytest.mark.parametrize("is_gone", [True, False])
def test_a_copy_that_is_gone_or_damaged_is_replaced_by_the_upload_and_stays_a_case(
    network: PanoptesNetwork, name: str, is_gone: bool
) -> None:
    if is_gone:
        network.store("quarantine").delete(path_of(network, name))
    else:
        quietly_spoil(network, "quarantine", path_of(network, name))
    audited.send(network, name)
    results = audited.repaired(network, deep=True)
    assert results
    assert all(result.mended for result in results)
    assert _listed(network) == {BAD, STRAY}
    assert sites.waiting(network) == []
    assert found(network, deep=True) == set()
    assert network.store("quarantine").read(path_of(network, name))[0] == audited.NIGHT[name]


@pytest.mark.parametrize("name", [BAD, STRAY])
def test_a_repair_that_finds_the_upload_gone_leaves_the_judgement(
    network: PanoptesNetwork, name: str
) -> None:
    network.store("quarantine").delete(path_of(network, name))
    audited.send(network, name)
    [missing] = (f for f in audit(network) if f.kind == "quarantine-missing")
    network.store("incoming").delete(name)
    mend(network, [missing])
    assert _listed(network) == {BAD, STRAY}


def test_a_copy_that_nothing_can_replace_comes_with_what_to_do(network: PanoptesNetwork) -> None:
    network.store("quarantine").delete(path_of(network, BAD))
    quietly_spoil(network, "quarantine", path_of(network, STRAY))
    for finding in audit(network, deep=True):
        assert not finding.can_be_repaired
        assert "Upload the file again from the unit" in finding.sentence


def test_a_case_without_an_outcome_is_found_and_judged_again_from_its_copy(
    network: PanoptesNetwork,
) -> None:
    change(network, "files", entry_key(STRAY), "outcome")
    assert found(network) == {("entry-stuck", f"files/{entry_key(STRAY)}")}
    assert found(network, unit="PAN001") == found(network)
    assert found(network, unit="PAN002") == set()
    assert all(result.mended for result in audited.repaired(network))
    assert _listed(network) == {BAD, STRAY}
    assert found(network, deep=True) == set()


@pytest.mark.parametrize("is_first", [True, False])
def test_a_stray_that_was_begun_and_is_no_longer_anywhere_is_found(
    network: PanoptesNetwork, is_first: bool
) -> None:
    network.store("quarantine").delete(path_of(network, STRAY))
    change(network, "files", entry_key(STRAY), "outcome")
    if is_first:
        change(network, "files", entry_key(STRAY), "code", "path", "location", returns=0)
    lost = {("upload-lost", f"files/{entry_key(STRAY)}")}
    assert found(network) == lost
    assert {audited.about(r.finding) for r in audited.repaired(network) if not r.mended} == lost
    audited.send(network, STRAY)
    assert found(network) == set()
    sites.ingest_all(network)
    assert found(network) == set()
    assert _listed(network) == {BAD, STRAY}


def test_a_newer_upload_that_was_lost_is_not_taken_for_the_copy_of_an_older_one(
    network: PanoptesNetwork,
) -> None:
    network.store("incoming").put(STRAY, b"HELLO")
    open_entry(network, sites.source_named(network, STRAY))
    network.store("incoming").delete(STRAY)
    assert found(network) == {("upload-lost", f"files/{entry_key(STRAY)}")}
