"""What the audit says to do is done: the file is uploaded again, and that mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.network import PanoptesNetwork
from tests import audited, sites
from tests.audited import BAD, STRAY, found, quietly_spoil, truth
from tests.files import IMAGE, LATER, SEQUENCE
from tests.network.audit.test_auditing import path_of


@pytest.fixture
def network(tmp_path: Path) -> PanoptesNetwork:
    return audited.ingested(sites.drained(tmp_path))


def test_damage_without_a_trace_is_mended_by_uploading_the_file_again(
    network: PanoptesNetwork,
) -> None:
    quietly_spoil(network, "images", f"{IMAGE}.fits.fz")
    quietly_spoil(network, "images", f"{LATER}.fits.fz")
    quietly_spoil(network, "originals", f"{IMAGE}.cr2")
    quietly_spoil(network, "timelapse", path_of(network, f"{SEQUENCE}.mp4"))
    assert len(found(network, deep=True)) == 4
    audited.send(network)
    sites.ingest_all(network)
    assert sites.waiting(network) == []
    assert found(network, deep=True, truth=truth()) == set()


@pytest.mark.parametrize("name", [BAD, STRAY])
def test_a_copy_that_lost_bits_is_not_taken_for_that_of_the_upload_sent_again(
    network: PanoptesNetwork, name: str
) -> None:
    quietly_spoil(network, "quarantine", path_of(network, name))
    audited.send(network, name)
    sites.ingest_all(network)
    assert network.store("quarantine").read(path_of(network, name))[0] == audited.NIGHT[name]
    assert found(network, deep=True) == set()
