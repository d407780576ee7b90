"""`panoptes-network quarantine`, as an operator types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deployments.command_line.main import app
from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, LATER, place, tiny_fits

JUNK, LARGE = f"{LATER}.fits", f"{IMAGE}.fits"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One file that is bad, and one that only a limit made so, which has been put right."""
    small = sites.drained(tmp_path, max_file_bytes=100, previews_wanted=False)
    place(sites.incoming(small), JUNK, b"junk")
    place(sites.incoming(small), LARGE, tiny_fits())
    sites.run(small)
    return sites.drained(tmp_path, previews_wanted=False)


def call(site: Site | Path, *arguments: str) -> Result:
    data = site if isinstance(site, Path) else Path(site.settings.images).parent
    return CliRunner().invoke(app, ["quarantine", *arguments, "--data", str(data)])


def answer(site: Site, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call(site, *arguments, "--json").stdout)
    return found


def test_each_case_is_listed_with_its_code_a_sentence_and_what_to_do(
    site: Site,
) -> None:
    cases = {case["file"]: case for case in answer(site, "list")["cases"]}
    assert {name: case["code"] for name, case in cases.items()} == {
        JUNK: "not-fits",
        LARGE: "too-large",
    }
    assert all(case["sentence"] and case["next_step"] for case in cases.values())
    shown = call(site, "list")
    assert shown.exit_code == 0
    assert all(case["id"] in shown.stdout for case in cases.values())
    assert "2 cases" in shown.stdout


def test_the_list_is_of_a_unit_a_night_and_a_code(site: Site) -> None:
    def count(*arguments: str) -> int:
        return len(answer(site, "list", *arguments)["cases"])

    assert count("--unit", "PAN001") == 2
    assert count("--unit", "PAN002") == 0
    assert count("--night", "2018-02-15") == count("--night", "20180215") == 2
    assert count("--night", "2018-02-16") == 0
    assert count("--code", "too-large") == 1


def test_a_case_is_shown_by_its_id_or_its_name_with_its_history(site: Site) -> None:
    (case,) = answer(site, "list", "--code", "not-fits")["cases"]
    assert call(site, "rescue", case["id"], "--by", "Ann").exit_code == 0
    waiting = call(site, "show", JUNK)
    assert "Put back" in waiting.stdout
    sites.run(site)
    for wanted in (case["id"], JUNK):
        shown = call(site, "show", wanted)
        assert shown.exit_code == 0
        assert "not a FITS file" in shown.stdout
        assert f"kept as        {site.settings.quarantine}/{JUNK}@" in shown.stdout
        assert "history 1" in shown.stdout
        assert "by Ann" in shown.stdout
    assert answer(site, "show", JUNK)["history"][0]["rescued"]["by"] == "Ann"


def test_rescuing_one_case_leaves_the_others(site: Site) -> None:
    done = call(site, "rescue", LARGE)
    assert done.exit_code == 0
    assert "put back into incoming" in done.stdout
    assert sites.outcomes(sites.run(site)) == {LARGE: "catalogued"}
    assert [case["file"] for case in answer(site, "list")["cases"]] == [JUNK]


def test_rescuing_all_of_a_code_and_then_all(site: Site) -> None:
    assert len(answer(site, "rescue", "--all", "--code", "too-large")["rescued"]) == 1
    assert sites.waiting(site) == [LARGE]
    rescued = answer(site, "rescue", "--all")
    assert {each["file"] for each in rescued["rescued"]} == {JUNK, LARGE}
    assert rescued["left"] == []
    assert sites.outcomes(sites.run(site)) == {
        LARGE: "catalogued",
        JUNK: "quarantined: not-fits",
    }


def test_a_name_that_is_blocked_in_incoming_holds_up_no_other_rescue(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    for name in ("a/b.txt", "c.txt"):
        place(sites.incoming(site), name, b"x")
    sites.run(site)
    sites.incoming(site).joinpath("a").rmdir()
    sites.incoming(site).joinpath("a").write_bytes(b"")
    done = call(site, "rescue", "--all")
    assert done.exit_code == 3
    assert "a/b.txt cannot be put back into incoming" in done.stderr
    assert "1 put back to be judged again, 1 not" in done.stdout
    assert sites.waiting(site) == ["a", "c.txt"]
    sites.incoming(site).joinpath("a").unlink()
    assert call(site, "rescue", "a/b.txt").exit_code == 0


def test_what_cannot_be_rescued_is_said_and_holds_up_no_other(site: Site) -> None:
    done = call(site, "rescue", "Q00000000", LARGE)
    assert done.exit_code == 3
    assert "no case 'Q00000000'" in done.stderr
    assert sites.waiting(site) == [LARGE]


@pytest.mark.parametrize(
    "arguments",
    [["rescue"], ["rescue", "Q1", "--all"], ["rescue", "Q1", "--unit", "PAN001"]],
    ids=" ".join,
)
def test_it_must_be_said_which_cases(site: Site, arguments: list[str]) -> None:
    assert call(site, *arguments).exit_code == 1


def test_wrong_arguments_are_answered_in_a_sentence(site: Site, tmp_path: Path) -> None:
    assert call(site, "show", "Q00000000").exit_code == 3
    assert "2018-02-15" in call(site, "list", "--night", "yesterday").stderr
    nowhere = call(tmp_path / "nowhere", "list")
    assert nowhere.exit_code == 1
    assert "--data" in nowhere.stderr
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("code", "told"),
    [("truncated", "did you mean truncated-file?"), ("zzz", "there are unroutable-name, ")],
)
def test_a_code_that_is_none_is_no_empty_list(site: Site, code: str, told: str) -> None:
    for arguments in (["list"], ["rescue", "--all"]):
        refused = call(site, *arguments, "--code", code)
        assert refused.exit_code == 2
        said = " ".join(refused.stderr.replace("│", "").split())
        assert f"there is no code '{code}': {told}" in said
    assert answer(site, "list", "--code", code)["success"] is False
    given_up = call(site, "list", "--code", "unexpected-error")
    assert (given_up.exit_code, "no case" in given_up.stderr) == (0, True)


def test_what_came_from_a_folder_of_ones_own_is_reopened_there(tmp_path: Path) -> None:
    small = sites.kept(tmp_path, max_file_bytes=100)
    place(sites.incoming(small), LARGE, tiny_fits())
    sites.run(small)
    refused = call(small, "rescue", "--all")
    assert refused.exit_code == 1
    assert "--incoming FOLDER" in refused.stderr
    done = call(small, "rescue", "--all", "--incoming", small.settings.incoming)
    assert done.exit_code == 0
    assert "opened again" in done.stdout
    site = sites.kept(tmp_path, previews_wanted=False)
    assert sites.outcomes(sites.run(site)) == {LARGE: "catalogued"}


def test_an_empty_quarantine_is_said(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    site.catalog.check()
    listed = call(site, "list")
    assert listed.exit_code == 0
    assert "nothing waits" in listed.stderr
    assert answer(site, "list")["cases"] == []


def test_the_network_may_come_from_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("incoming", "images", "originals", "rgb", "previews", "timelapse", "quarantine"):
        monkeypatch.setenv(f"PANOPTES_{name.upper()}", getattr(site.settings, name))
    monkeypatch.setenv("PANOPTES_CATALOG", site.settings.catalog)
    listed = CliRunner().invoke(app, ["quarantine", "list", "--json"])
    assert len(json.loads(listed.stdout)["cases"]) == 2
