"""The flow that publishes the catalogue's tables, on a real Prefect server."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.export_tables import export_tables
from panoptes.network.ingest.lease import Lease
from panoptes.network.site import Site
from panoptes.network.tables import EXPORTING
from tests.archives import small_archive

pytestmark = pytest.mark.usefixtures("prefect_api")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return small_archive(tmp_path_factory.mktemp("archive"))


def named(site: Site) -> str:
    name = f"tables-{uuid.uuid4().hex[:8]}"
    PanoptesNetwork.of(site).save(name, overwrite=True)
    return name


def test_a_run_writes_the_tables_and_says_how_many_rows(
    archive: Site, tmp_path: Path, prefect_api: LocalStack
) -> None:
    name = named(archive.changed(tables=str(tmp_path)))
    run_id = prefect_api.run_deployment("export-tables/local", {"network": name})
    run = prefect_api.await_runs([run_id])[0]
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    assert (run.state.message or "").startswith(
        "observations.csv: 2 rows; recent.csv: 2 rows; stats.csv: 2 rows"
    )
    assert {"observations.csv", "recent.csv", "stats.csv"} <= {p.name for p in tmp_path.iterdir()}


def test_a_network_without_a_place_for_tables_publishes_nothing(archive: Site) -> None:
    state = export_tables(named(archive), return_state=True)
    assert state.is_completed()
    assert "nothing is published" in (state.message or "")


def test_two_exports_are_never_at_work_at_once(archive: Site, tmp_path: Path) -> None:
    lease = Lease(archive.catalog, EXPORTING, 60.0)
    assert lease.take()
    state = export_tables(named(archive.changed(tables=str(tmp_path))), return_state=True)
    assert state.is_cancelled()
    assert list(tmp_path.iterdir()) == []
    lease.drop()
