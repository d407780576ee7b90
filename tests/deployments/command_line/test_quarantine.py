"""`panoptes-network quarantine`, as an operator types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from blocks.network import PanoptesNetwork
from deployments.command_line.main import app
from tests import sites
from tests.files import IMAGE, LATER, place, tiny_fits

JUNK, LARGE = f"{LATER}.fits", f"{IMAGE}.fits"


@pytest.fixture
def network(tmp_path: Path) -> PanoptesNetwork:
    """One file that is bad, and one that only a limit made so, which has been put right."""
    small = sites.drained(tmp_path, max_file_bytes=100, previews_wanted=False)
    place(sites.incoming(small), JUNK, b"junk")
    place(sites.incoming(small), LARGE, tiny_fits())
    sites.run(small)
    return sites.drained(tmp_path, previews_wanted=False)


def call(network: PanoptesNetwork | Path, *arguments: str) -> Result:
    data = network if isinstance(network, Path) else Path(network.images).parent
    return CliRunner().invoke(app, ["quarantine", *arguments, "--data", str(data)])


def answer(network: PanoptesNetwork, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call(network, *arguments, "--json").stdout)
    return found


def test_each_case_is_listed_with_its_code_a_sentence_and_what_to_do(
    network: PanoptesNetwork,
) -> None:
    cases = {case["file"]: case for case in answer(network, "list")["cases"]}
    assert {name: case["code"] for name, case in cases.items()} == {
        JUNK: "not-fits",
        LARGE: "too-large",
    }
    assert all(case["sentence"] and case["next_step"] for case in cases.values())
    shown = call(network, "list")
    assert shown.exit_code == 0
    assert all(case["id"] in shown.stdout for case in cases.values())
    assert "2 cases" in shown.stdout


def test_the_list_is_of_a_unit_a_night_and_a_code(network: PanoptesNetwork) -> None:
    def count(*arguments: str) -> int:
        return len(answer(network, "list", *arguments)["cases"])

    assert count("--unit", "PAN001") == 2
    assert count("--unit", "PAN002") == 0
    assert count("--night", "2018-02-15") == count("--night", "20180215") == 2
    assert count("--night", "2018-02-16") == 0
    assert count("--code", "too-large") == 1


def test_a_case_is_shown_by_its_id_or_its_name_with_its_history(network: PanoptesNetwork) -> None:
    (case,) = answer(network, "list", "--code", "not-fits")["cases"]
    assert call(network, "rescue", case["id"], "--by", "Ann").exit_code == 0
    waiting = call(network, "show", JUNK)
    assert "Put back" in waiting.stdout
    sites.run(network)
    for wanted in (case["id"], JUNK):
        shown = call(network, "show", wanted)
        assert shown.exit_code == 0
        assert "not a FITS file" in shown.stdout
        assert "history 1" in shown.stdout
        assert "by Ann" in shown.stdout
    assert answer(network, "show", JUNK)["history"][0]["rescued"]["by"] == "Ann"


def test_rescuing_one_case_leaves_the_others(network: PanoptesNetwork) -> None:
    done = call(network, "rescue", LARGE)
    assert done.exit_code == 0
    assert "put back into incoming" in done.stdout
    assert sites.outcomes(sites.run(network)) == {LARGE: "catalogued"}
    assert [case["file"] for case in answer(network, "list")["cases"]] == [JUNK]


def test_rescuing_all_of_a_code_and_then_all(network: PanoptesNetwork) -> None:
    assert len(answer(network, "rescue", "--all", "--code", "too-large")["rescued"]) == 1
    assert sites.waiting(network) == [LARGE]
    rescued = answer(network, "rescue", "--all")
    assert {each["file"] for each in rescued["rescued"]} == {JUNK, LARGE}
    assert rescued["left"] == []
    assert sites.outcomes(sites.run(network)) == {
        LARGE: "catalogued",
        JUNK: "quarantined: not-fits",
    }


def test_a_name_that_is_blocked_in_incoming_holds_up_no_other_rescue(tmp_path: Path) -> None:
    network = sites.drained(tmp_path)
    for name in ("a/b.txt", "c.txt"):
        place(sites.incoming(network), name, b"x")
    sites.run(network)
    sites.incoming(network).joinpath("a").rmdir()
    sites.incoming(network).joinpath("a").write_bytes(b"")
    done = call(network, "rescue", "--all")
    assert done.exit_code == 3
    assert "a/b.txt cannot be put back into incoming" in done.stderr
    assert "1 rescued, 1 not" in done.stdout
    assert sites.waiting(network) == ["a", "c.txt"]
    sites.incoming(network).joinpath("a").unlink()
    assert call(network, "rescue", "a/b.txt").exit_code == 0


def test_what_cannot_be_rescued_is_said_and_holds_up_no_other(network: PanoptesNetwork) -> None:
    done = call(network, "rescue", "Q00000000", LARGE)
    assert done.exit_code == 3
    assert "no case 'Q00000000'" in done.stderr
    assert sites.waiting(network) == [LARGE]


@pytest.mark.parametrize(
    "arguments",
    [["rescue"], ["rescue", "Q1", "--all"], ["rescue", "Q1", "--unit", "PAN001"]],
    ids=" ".join,
)
def test_it_must_be_said_which_cases(network: PanoptesNetwork, arguments: list[str]) -> None:
    assert call(network, *arguments).exit_code == 1


def test_wrong_arguments_are_answered_in_a_sentence(
    network: PanoptesNetwork, tmp_path: Path
) -> None:
    assert call(network, "show", "Q00000000").exit_code == 3
    assert "2018-02-15" in call(network, "list", "--night", "yesterday").stderr
    nowhere = call(tmp_path / "nowhere", "list")
    assert nowhere.exit_code == 1
    assert "--data" in nowhere.stderr
    assert not (tmp_path / "nowhere").exists()


def test_what_came_from_a_folder_of_ones_own_is_reopened_there(tmp_path: Path) -> None:
    small = sites.kept(tmp_path, max_file_bytes=100)
    place(sites.incoming(small), LARGE, tiny_fits())
    sites.run(small)
    refused = call(small, "rescue", "--all")
    assert refused.exit_code == 1
    assert "--incoming FOLDER" in refused.stderr
    done = call(small, "rescue", "--all", "--incoming", small.incoming)
    assert done.exit_code == 0
    assert "reopened" in done.stdout
    network = sites.kept(tmp_path, previews_wanted=False)
    assert sites.outcomes(sites.run(network)) == {LARGE: "catalogued"}


def test_an_empty_quarantine_is_said(tmp_path: Path) -> None:
    network = sites.drained(tmp_path)
    network.documents.check()
    listed = call(network, "list")
    assert listed.exit_code == 0
    assert "nothing waits" in listed.stderr
    assert answer(network, "list") == {"cases": []}


def test_the_network_may_come_from_the_environment(
    network: PanoptesNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("incoming", "images", "originals", "rgb", "previews", "timelapse", "quarantine"):
        monkeypatch.setenv(f"PANOPTES_{name.upper()}", getattr(network, name))
    monkeypatch.setenv("PANOPTES_CATALOG", network.catalog)
    listed = CliRunner().invoke(app, ["quarantine", "list", "--json"])
    assert len(json.loads(listed.stdout)["cases"]) == 2
