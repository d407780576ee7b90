"""What waits is found whatever lies beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.ingest.backlog import abandoned, fallen_quiet, survey, waiting_of_nights
from panoptes.network.ingest.ledger import now, open_entry
from tests import sites
from tests.files import IMAGE, SEQUENCE_ID, place, tiny_fits

NAME, OTHER = f"{IMAGE}.fits", "PAN001/14d3bd/20180216T110623/20180216T112630.fits"
YEAR_1, YEAR_9999 = "PAN001_14d3bd_00010101T000000", "PAN001_14d3bd_99991231T235959"


def test_a_name_of_the_year_one_is_put_aside_and_holds_up_nothing(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, previews_wanted=False)
    names = [f"{each.replace('_', '/')}/{each[-15:]}.fits" for each in (YEAR_1, YEAR_9999)]
    for name in names:
        place(sites.incoming(site), name, tiny_fits())
    place(sites.incoming(site), NAME, tiny_fits())
    found = survey(site)
    assert sorted(source.name for source in found.unroutable) == names
    assert set(found.observations) == {SEQUENCE_ID}
    assert set(waiting_of_nights(site, "0001-01-01", "9999-12-31")) == {SEQUENCE_ID}
    done = sites.outcomes(sites.run(site))
    assert done == {NAME: "catalogued", **dict.fromkeys(names, "quarantined: unroutable-name")}
    assert sites.waiting(site) == []


def test_a_file_of_no_observation_is_not_counted_to_one(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    for name in (NAME, OTHER, "notes.txt"):
        place(sites.incoming(site), name, b"x")
    counted = survey(site).backlog(overdue_after=0, held=set())
    said = "3 files wait (2 of 1 observation and 1 of none), 3 of them overdue, the oldest for "
    assert counted.sentence.startswith(said)
    assert counted.model_copy(update={"oldest_seconds": 40}).sentence == f"{said}40 s"


def test_a_file_whose_entry_cannot_be_read_waits_like_any_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = sites.drained(tmp_path)
    for name in (NAME, OTHER):
        place(sites.incoming(site), name, tiny_fits())
        open_entry(site, sites.source_named(site, name))
    stored = site.catalog.get("files", NAME.replace("/", "%2F"))
    assert stored is not None
    site.catalog.update("files", stored.key, {"failures": "x"}, version=stored.version)
    assert len(survey(site).observations[SEQUENCE_ID].sources) == 2
    found = waiting_of_nights(site, "2018-02-15", "2018-02-17")
    assert len(found[SEQUENCE_ID].sources) == 2
    assert "the ledger's entry of PAN001_14d3bd_20180216T112430 fits cannot be read" in caplog.text


def test_documents_whose_id_is_no_observation_are_left_alone(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    long_ago = now().replace(year=2019)
    for key in (YEAR_1, "strange", SEQUENCE_ID):
        site.catalog.create("leases", key, {"holder": "x", "expires": long_ago})
        fields = {"status": "receiving_files", "time": long_ago, "last_arrival": long_ago}
        site.catalog.create("observations", key, fields)
    assert abandoned(site) == {SEQUENCE_ID}
    assert [each.sequence_id for each in fallen_quiet(site, busy=set())] == [SEQUENCE_ID]
