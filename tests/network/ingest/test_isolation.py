"""A file that brings its decoder down can do so three times, and to nobody else."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.ingest.derive import compress as compress_fits_file
from panoptes.network.ingest.isolation import ATTEMPTS, ChildDied, call_in_child, guarded
from panoptes.network.ingest.ledger import open_entry
from panoptes.network.ingest.outcome import Derived
from panoptes.network.site import Site
from panoptes.network.upload import Source
from tests import sites
from tests.files import IMAGE, place, tiny_fits

NAME = f"{IMAGE}.fits"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = sites.drained(tmp_path, previews_wanted=False)
    place(sites.incoming(site), NAME, tiny_fits())
    return site


def test_a_child_that_needs_too_much_memory_or_time_has_died() -> None:
    # Functions of a function travel whole: the child does not know this module.
    def hog() -> int:
        return len(bytearray(1 << 30))

    with pytest.raises(ChildDied, match="memory"):
        call_in_child(hog, memory_bytes=1 << 30)
    with pytest.raises(ChildDied, match="more than 0 seconds"):
        call_in_child(time.sleep, 60, seconds=0.05)


def test_a_child_that_cannot_begin_or_answer_says_nothing_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_where_there_is_no_room() -> bytes:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, 1 << 10))
        return bytes(1 << 20)

    with pytest.raises(TransientError, match="File too large"):
        call_in_child(answer_where_there_is_no_room)
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(TransientError, match="did not begin"):
        call_in_child(time.sleep, 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(TransientError, match="scratch folder"):
        call_in_child(time.sleep, 0)


def test_a_childs_verdict_comes_home_and_its_chatter_does_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse() -> None:
        print("said on standard output", flush=True)
        raise BadInput("corrupt-data", "tile 7")

    with pytest.raises(BadInput) as bad:
        call_in_child(refuse)
    assert (bad.value.code, bad.value.detail) == ("corrupt-data", "tile 7")
    assert capfd.readouterr().out == ""


def test_a_file_that_a_run_died_with_is_decoded_in_a_child_and_archived(
    site: Site,
) -> None:
    open_entry(site, sites.source_named(site, NAME))  # and then the run was killed
    assert sites.outcomes(sites.run(site)) == {NAME: "catalogued"}
    entry = sites.entry_of(site, NAME)
    assert (entry.attempts, entry.returns) == (2, 2)
    assert sites.waiting(site) == []


@guarded
def _poisoned(site: Site, source: Source) -> Derived:
    os.kill(os.getpid(), signal.SIGSEGV)
    return compress_fits_file(site, source)


def test_a_poisoned_file_is_given_up_after_the_third_attempt(site: Site) -> None:
    source = sites.source_named(site, NAME)
    open_entry(site, source)  # the first, which took its run along
    opened = open_entry(site, source)
    assert opened.guarded
    with pytest.raises(BadInput) as bad:
        _poisoned(site, source.in_child())
    assert bad.value.code == "decoder-crash"
    assert "signal 11" in bad.value.detail
    assert sites.entry_of(site, NAME).attempts == ATTEMPTS + 1


def test_a_file_that_is_not_suspicious_is_decoded_here(site: Site) -> None:
    here: list[int] = []

    @guarded
    def derive(site: Site, source: Source) -> Derived:
        here.append(os.getpid())
        return Derived(crc32c="", outputs=())

    derive(site, sites.source_named(site, NAME))
    assert here == [os.getpid()]
