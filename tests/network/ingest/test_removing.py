"""A file that is done and cannot be removed from `incoming` says so, once, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.audit import audit
from panoptes.network.errors import ConfigurationError
from panoptes.network.ingest.backlog import survey, waiting_of_nights
from panoptes.network.ingest.cases import find_case
from panoptes.network.ingest.outcome import FileResult, summary
from panoptes.network.ingest.rescue import rescue_case
from panoptes.network.names import document_key
from panoptes.network.site import Site
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import Unreadable
from tests import audited, sites
from tests.files import IMAGE, LATER, SEQUENCE, SEQUENCE_ID, jpeg, place, tiny_fits
from tests.hindrances import mounted, unprivileged

NIGHT = {
    f"{IMAGE}.fits": tiny_fits(),
    f"{IMAGE}.jpg": jpeg(),
    f"{LATER}.fits": tiny_fits()[:3000],
    f"{SEQUENCE}/notes.txt": b"clouds",
}
FIRST = ["catalogued", "filed", "quarantined: truncated-file", "quarantined: unknown-suffix"]
AGAIN = ["already", "already", *FIRST[2:]]


@dataclass
class Stuck:
    """A network with uploads that it cannot remove."""

    site: Site
    told: str
    """Of the reason, wherever it is told."""
    mend: Callable[[], Any]
    is_seen: bool = True
    """By a look; else only by trying."""


def _own_mount(stack: ExitStack, folder: Path) -> Stuck:
    site = _sent(folder)
    unit = sites.incoming(site) / "PAN001"
    mount = stack.enter_context(ExitStack())
    mount.enter_context(mounted(unit))
    return Stuck(site, f"{unit} is a mount of its own", mount.close)


def _forbidden(stack: ExitStack, folder: Path) -> Stuck:
    site = _sent(stack.enter_context(unprivileged()))
    above = sites.incoming(site) / SEQUENCE
    above.chmod(0o555)
    return Stuck(site, f"{above} may not be written to", lambda: above.chmod(0o755))


class _Refusing(FolderStore):
    """Of a server that lets nothing be removed, and shows it nowhere."""

    def delete(self, name: str, *, if_generation: int | None = None) -> None:
        raise ConfigurationError(f"{name!r} cannot be written: the server says no")


class _Broken(FolderStore):
    def delete(self, name: str, *, if_generation: int | None = None) -> None:
        raise RuntimeError("a defect of ours")


def _refused(stack: ExitStack, folder: Path) -> Stuck:
    site = _sent(folder)
    stores = site._stores
    kept = stores["incoming"]
    stores["incoming"] = _Refusing(sites.incoming(site), follow_links=False, uploads=True)

    def mend() -> None:
        stores["incoming"] = kept
        for name in NIGHT:  # and hours go by
            stored = site.catalog.get("files", document_key(name))
            assert stored is not None
            stays = stored.fields["stays"]
            stays |= {"at": stays["at"] - timedelta(hours=7)}
            site.catalog.update("files", stored.key, {"stays": stays}, version=stored.version)

    return Stuck(site, "the server says no", mend, is_seen=False)


def _sent(folder: Path) -> Site:
    site = sites.drained(folder, previews_wanted=False)
    for name, data in NIGHT.items():
        place(sites.incoming(site), name, data)
    return site


@pytest.fixture(params=[_own_mount, _forbidden, _refused], ids=lambda make: make.__name__)
def stuck(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stuck]:
    with ExitStack() as stack:
        yield request.param(stack, tmp_path)


def _outcomes(results: list[FileResult]) -> list[str]:
    became = sites.outcomes({result.name: result for result in results})
    return [became[name] for name in NIGHT]


def test_what_cannot_be_removed_is_done_and_every_row_says_why(stuck: Stuck) -> None:
    for expected in (FIRST, AGAIN, AGAIN):
        results = sites.ingest_all(stuck.site)
        assert _outcomes(results) == expected
        assert all(stuck.told in result.told for result in results)
        assert summary(results).endswith("4 of them cannot be removed from incoming")
    assert sites.waiting(stuck.site) == sorted(NIGHT)


def test_what_cannot_be_removed_starts_no_run_until_it_can_be(stuck: Stuck) -> None:
    site = stuck.site
    sites.ingest_all(site)
    found = survey(site)
    assert (found.observations, found.unroutable) == ({}, [])
    assert found.backlog(overdue_after=0, held=set()).stuck == len(NIGHT)
    assert all(stuck.told in why for why in found.stuck)
    assert waiting_of_nights(site, "2018-02-15", "2018-02-17") == {}

    stuck.mend()
    found = survey(site)
    assert found.observations[SEQUENCE_ID].is_ready
    assert found.stuck == {}
    results = sites.ingest_all(site)
    assert _outcomes(results) == AGAIN
    assert not any(result.stays for result in results)
    assert sites.waiting(site) == []
    assert sorted(sites.objects(site, "quarantine").values()) == sorted(list(NIGHT.values())[2:])
    assert audited.found(site, deep=True) == set()


def test_the_audit_says_why_and_repairs_it_once_that_helps(stuck: Stuck) -> None:
    sites.ingest_all(stuck.site)
    found = [finding for finding in audit(stuck.site) if finding.kind == "left-behind"]
    assert sorted(finding.name for finding in found) == sorted(NIGHT)
    assert all(stuck.told in finding.sentence for finding in found)
    assert {finding.can_be_repaired for finding in found} == {not stuck.is_seen}
    stuck.mend()
    assert all(result.mended for result in audited.repaired(stuck.site, deep=True))
    sites.ingest_all(stuck.site)  # what belongs to no observation
    assert sites.waiting(stuck.site) == []


def test_new_permissions_of_a_file_that_cannot_be_removed_start_one_run(stuck: Stuck) -> None:
    site, name = stuck.site, f"{IMAGE}.fits"
    sites.ingest_all(site)
    path = sites.incoming(site) / name
    path.chmod(0o640)
    assert survey(site).observations[SEQUENCE_ID].is_ready
    sites.ingest_all(site)
    assert survey(site).observations == {}
    assert path.read_bytes() == NIGHT[name]


def test_a_rescue_of_what_cannot_be_removed_has_it_judged_where_it_lies(stuck: Stuck) -> None:
    site, name = stuck.site, f"{LATER}.fits"
    sites.ingest_all(site)
    done = rescue_case(site, find_case(site, name), by="ann")
    assert "opened again where it lies in incoming" in done.sentence
    assert survey(site).observations[SEQUENCE_ID].is_ready
    sites.ingest_all(site)
    entry = sites.entry_of(site, name)
    assert (entry.outcome, len(entry.history or ())) == ("quarantined", 1)
    assert survey(site).observations == {}


def test_a_newer_upload_where_nothing_can_be_removed_is_taken(tmp_path: Path) -> None:
    with ExitStack() as stack:
        stuck = _own_mount(stack, tmp_path)
        sites.ingest_all(stuck.site)
        path = sites.incoming(stuck.site) / f"{LATER}.fits"
        path.write_bytes(tiny_fits(seed=1))
        results = {result.name: result for result in sites.ingest_all(stuck.site)}
        assert results[f"{LATER}.fits"].became == "catalogued"
        assert stuck.told in results[f"{LATER}.fits"].told


def test_an_upload_that_was_changed_unseen_stays_when_its_folder_is_mended(tmp_path: Path) -> None:
    with ExitStack() as stack:
        stuck = _own_mount(stack, tmp_path)
        sites.ingest_all(stuck.site)
        path = sites.incoming(stuck.site) / f"{IMAGE}.fits"
        path.write_bytes(tiny_fits(seed=1))
        generation = stuck.site.store("incoming").stat(f"{IMAGE}.fits").generation
        stored = stuck.site.catalog.get("files", document_key(f"{IMAGE}.fits"))
        assert stored is not None
        stuck.site.catalog.update(  # as if its times had not told
            "files", stored.key, {"generation": generation}, version=stored.version
        )
        stuck.mend()
        results = {result.name: result for result in sites.ingest_all(stuck.site)}
        assert results[f"{IMAGE}.fits"].code == "changed-unseen"
        assert path.read_bytes() == tiny_fits(seed=1)


def test_what_was_done_before_is_not_told_of_as_new_when_its_removal_fails(tmp_path: Path) -> None:
    site = _sent(tmp_path)
    site._stores["incoming"] = _Broken(sites.incoming(site), follow_links=False, uploads=True)
    for expected in (FIRST, AGAIN):
        results = sites.ingest_all(site)
        assert _outcomes(results) == expected
        assert all("cannot be removed from incoming" in result.told for result in results)
    assert sites.waiting(site) == sorted(NIGHT)


class _Closed(FolderStore):
    """Shows what is there, and lets nobody read it."""

    def read(self, *_: Any, **__: Any) -> Any:
        raise Unreadable("it cannot be read: permission denied")

    opened = read_range = read


def test_an_upload_that_cannot_be_read_is_not_told_of_as_the_earlier_one(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    assert [result.became for result in sites.ingest_all(site)] == ["catalogued"]
    again = place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits(seed=1))
    kept = site.store("incoming")
    site._stores["incoming"] = _Closed(sites.incoming(site), follow_links=False, uploads=True)
    for _ in range(site.settings.failure_limit):
        (result,) = sites.ingest_all(site)
        assert (result.became, result.code) == ("failed", "unreadable")
    assert not survey(site).observations  # an operator is asked for; no run starts any more
    site._stores["incoming"] = kept
    assert again.read_bytes() == tiny_fits(seed=1)


def test_an_upload_whose_output_was_lost_is_worked_on_though_it_cannot_be_removed(
    tmp_path: Path,
) -> None:
    site = _sent(tmp_path)
    with mounted(sites.incoming(site) / "PAN001"):
        (done,) = (r for r in sites.ingest_all(site) if r.name == f"{IMAGE}.fits")
        assert done.location is not None
        assert done.path is not None
        assert survey(site).observations == {}
        archived = Path(getattr(site.settings, done.location)) / done.path
        archived.unlink()
        assert survey(site).observations.keys() == {SEQUENCE_ID}
        sites.ingest_all(site)
        assert archived.exists()
