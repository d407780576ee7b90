"""Names and cards that were chosen to harm their readers, through the real ways they go."""

from __future__ import annotations

import csv
import io
import json
import logging
from pathlib import Path

import pytest
from prefect.artifacts import Artifact
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from typer.testing import CliRunner

from blocks.network import PanoptesNetwork
from deployments.command_line.main import app
from deployments.local_stack.stack import LocalStack
from flows.audit_network import audit_network
from flows.get_fits_header import get_fits_header
from flows.ingest_observation import ingest_observation
from flows.lookup_field import lookup_field
from panoptes.network.site import Site
from tests import sites
from tests.deployments.services.served import served
from tests.files import IMAGE, LATER, SEQUENCE_ID, place, tiny_fits

CONTROLS = "\x1b[31;1mred\x1b]0;title\x07\x9b2J\nERROR forged\r\u202eelif\u200b.txt"
"""Colours, a window's title, a cleared screen, a line of its own, and a turned direction."""
MARKUP = "[click](https:__evil.example)<img src=x onerror=alert(1)>*b*|c"
OF_MARKUP = f"PAN001/{MARKUP}/14d3bd/20180216T110623/20180216T112430.fits"
FORMULAS = ["=1+cmd|' /C calc'!A0", "@SUM(1)", "+x", "-x", " =1", "-1+1"]


def typed(*arguments: str) -> tuple[str, str]:
    """What a command prints, for a terminal that believes everything."""
    ran = CliRunner().invoke(app, arguments)
    assert isinstance(ran.exception, SystemExit | None)
    return ran.stdout, ran.stderr


def harmless(text: str) -> bool:
    """Whether a terminal shows all of it as it is, in the lines that the writer meant."""
    lines = text.split("\n")
    return all(line.isprintable() for line in lines) and not any(
        line.startswith("ERROR forged") for line in lines
    )


@pytest.fixture
def hostile(tmp_path: Path) -> Site:
    """Refused files of hostile names, and one whose header is."""
    site = sites.drained(tmp_path)
    place(sites.incoming(site), CONTROLS, b"junk")
    place(sites.incoming(site), OF_MARKUP, b"junk")
    place(sites.incoming(site), f"{LATER}.fits", tiny_fits())
    sites.run(site)
    return site


def test_a_terminal_gets_no_escape_codes_from_what_was_ingested(tmp_path: Path) -> None:
    site = sites.kept(tmp_path)
    place(sites.incoming(site), CONTROLS, b"junk")
    for more in (["--dry-run"], [], ["--json"]):
        data = str(tmp_path / "data")
        out, err = typed("ingest", site.settings.incoming, "--data", data, *more)
        assert "forged" in out
        assert harmless(out)
        assert harmless(err)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_terminal_gets_no_escape_codes_from_quarantine_and_audit(
    hostile: Site, form: tuple[str, ...]
) -> None:
    data = str(Path(hostile.settings.images).parent)
    place(sites.incoming(hostile), f"again{CONTROLS}", b"junk")
    listed = json.loads(typed("quarantine", "list", "--data", data, "--json")[0])
    case = next(each["id"] for each in listed["cases"] if each["code"] == "unroutable-name")
    for command in (
        ["quarantine", "list"],
        ["quarantine", "show", case],
        ["quarantine", "rescue", "--all"],
        ["quarantine", "rescue", f"no{CONTROLS}"],
        ["quarantine", "show", f"no{CONTROLS}"],
        ["audit"],
    ):
        out, err = typed(*command, "--data", data, *form)
        assert out + err
        assert harmless(out), command
        assert harmless(err), command


def test_a_terminal_gets_no_escape_codes_from_headers_and_searches(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    hostile = bytearray(tiny_fits({"FIELD": "harmless"}))
    place_of_field = hostile.index(b"harmless")
    hostile[place_of_field : place_of_field + 8] = b"\x1b[31m\x9b2J"
    keyword = hostile.index(b"ORIGIN")
    hostile[keyword : keyword + 6] = b"\x1b[31mm"
    place(sites.incoming(site), f"{IMAGE}.fits", bytes(hostile))
    sites.run(site)
    data = str(Path(site.settings.images).parent)
    for command in (
        ["header", f"{IMAGE}.fits"],
        ["header", f"no{CONTROLS}"],
        ["search", "--unit", "PAN001"],
        ["lookup", "12 \x1b[31m 13", "--offline"],
        ["backfill", "--unit", CONTROLS],
    ):
        named = [] if command[0] in ("lookup", "backfill") else ["--data", data]
        out, err = typed(*command, *named)
        assert out + err
        assert harmless(out), command
        assert harmless(err), command


def test_a_log_gets_no_lines_that_nobody_wrote(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError(f"ours, about {CONTROLS}")

    monkeypatch.setattr("panoptes.network.ingest.take.quarantine_file", broken)
    site = sites.kept(tmp_path)
    place(sites.incoming(site), CONTROLS, b"junk")
    with caplog.at_level(logging.INFO):
        sites.run(site)
    logged = "\n".join(
        logging.Formatter("%(levelname)s %(message)s").format(r) for r in caplog.records
    )
    assert "could not be taken" in logged
    assert "ValueError: ours, about" in logged
    assert harmless(logged)


def artifact(key: str) -> str:
    """Cells and description of the last artifact of this key."""
    found = Artifact.get(key)
    return f"{getattr(found, 'data', '')} {getattr(found, 'description', '')}"


def test_an_artifact_of_a_run_holds_no_markup_from_names(
    tmp_path: Path, prefect_api: LocalStack
) -> None:
    site = sites.drained(tmp_path)
    PanoptesNetwork.of(site).save("hostile", overwrite=True)
    place(sites.incoming(site), OF_MARKUP, b"junk")
    ingest_observation(SEQUENCE_ID, network="hostile", return_state=True)
    shown = artifact(f"files-{SEQUENCE_ID.lower().replace('_', '-')}")
    assert "click" in shown
    assert_no_markup(shown)
    report = artifact(f"run-{SEQUENCE_ID.lower().replace('_', '-')}")
    assert "click" in report
    assert_no_markup(report)


def test_an_artifact_of_an_audit_holds_no_markup_from_names(
    tmp_path: Path, prefect_api: LocalStack
) -> None:
    site = sites.drained(tmp_path)
    PanoptesNetwork.of(site).save("hostile", overwrite=True)
    site.store("images").put(OF_MARKUP.removesuffix(".fits"), b"junk")
    audit_network("hostile", return_state=True)
    shown = artifact("audit-hostile")
    assert "click" in shown
    assert_no_markup(shown)


def assert_no_markup(shown: str) -> None:
    text = shown.replace("\\\\", "\\")
    for sign in ("[click", "<img", "*b*", "|c"):
        assert sign not in text.replace(f"\\{sign}", "")


def test_runs_are_named_in_one_line(prefect_api: LocalStack) -> None:
    for run, question in (
        (get_fits_header, {"bucket_path": CONTROLS, "network": "nowhere"}),
        (lookup_field, {"search_string": f"12 {CONTROLS}"}),
        (ingest_observation, {"sequence_id": CONTROLS, "network": "nowhere"}),
    ):
        state = run(**question, return_state=True)
        assert state.state_details.flow_run_id is not None
        with prefect_api.client() as client:
            made = client.read_flow_run(state.state_details.flow_run_id)
            tasks = client.read_task_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[made.id]))
            )
        for name in (made.name, *(each.name for each in tasks)):
            assert name.isprintable()


def test_a_csv_holds_no_formulas_and_numbers_stay_numbers(tmp_path: Path) -> None:
    site = sites.kept(tmp_path)
    for number, formula in enumerate(FORMULAS):
        file = tiny_fits({"FIELD": formula, "RA-MNT": 83.8, "DEC-MNT": -5.4}, seed=number)
        at = f"PAN001/14d3bd/2018021{number}T110623/2018021{number}T112430.fits"
        place(sites.incoming(site), at, file)
    sites.run(site)
    with served(site) as client:
        answer = client.get("/observations.csv")
    found = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(found) == len(FORMULAS)
    for row in found:
        assert not row["field_name"].lstrip().startswith(("=", "+", "-", "@"))
        assert float(row["coordinates.mount_dec"]) == -5.4
