"""The flow of taking over: a dry run by default, and a table of what is left."""

from __future__ import annotations

from pathlib import Path

from prefect.artifacts import Artifact

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.adopt_network import adopt_network
from panoptes.network.adoption.adopting import ADOPTING
from panoptes.network.audit import audit
from panoptes.network.ingest.lease import Lease
from tests import sites
from tests.files import IMAGE, LATER, tiny_fits_fz


def test_a_run_says_what_it_would_do_does_it_when_told_to_and_shows_what_is_left(
    prefect_api: LocalStack, tmp_path: Path
) -> None:
    site = sites.drained(tmp_path)
    site.store("images").put(f"{IMAGE}.fits.fz", tiny_fits_fz())
    PanoptesNetwork.of(site).save("adopted", overwrite=True)
    planned = adopt_network("adopted", return_state=True)
    assert (planned.name, planned.message) == (
        "Completed", "would be: 1 files in images entered",
    )  # fmt: skip
    assert sites.documents(site) == {}
    done = adopt_network("adopted", dry_run=False, return_state=True)
    assert (done.name, done.message) == ("Completed", "1 files in images entered")
    assert list(audit(site, deep=True)) == []

    site.store("images").put(f"{LATER}.fits.fz", b"SIMPLE")
    left = adopt_network("adopted", dry_run=False, return_state=True)
    assert (left.name, left.message) == ("Failed", "1 images left")
    shown = Artifact.get("adopt-adopted")
    assert "ends too early" in str(getattr(shown, "data", None))

    other = Lease(site.catalog, ADOPTING, 3600)
    assert other.take()
    second = adopt_network("adopted", dry_run=False, return_state=True)
    assert second.name == "Cancelled"
    other.drop()
    for wrong in ({"unit": "PAN1"}, {"network": "none"}):
        assert adopt_network(**wrong, return_state=True).is_failed()
