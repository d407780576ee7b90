"""`panoptes-network audit`, run as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from deployments.command_line.audit import audit
from panoptes.network.documents import Location
from panoptes.network.site import Site
from tests import audited, sites
from tests.audited import LATER_ID, OTHER_IMAGE
from tests.files import IMAGE, LATER, SEQUENCE_ID

COMMAND = Path(sys.executable).with_name("panoptes-network")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return audited.ingested(sites.drained(tmp_path))


def _here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, data: str = "data", **options: Any
) -> tuple[int, Any, str]:
    """Exit code, the JSON object (or the text), and standard error."""
    chosen: dict[str, Any] = {
        "night": None, "unit": None, "deep": False, "repair": False, "truth": None, "as_json": True,
    } | options  # fmt: skip
    status = audit(tmp_path / data, None, **chosen)
    output, errors = capsys.readouterr()
    return status, json.loads(output) if chosen["as_json"] else output, errors


def test_a_clean_network_is_said_to_be_clean(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "truth.jsonl"
    file.write_text("".join(json.dumps(asdict(upload)) + "\n" for upload in audited.truth()))
    status, report, errors = _here(tmp_path, capsys, truth=file, deep=True)
    assert (status, report["findings"], errors) == (0, [], "")
    assert report["counts"] == {"found": 0, "mended": 0, "left": 0}
    assert report["waiting"] == {"files": 0, "oldest_seconds": 0.0}
    text = "nothing is wrong; nothing waits in incoming\n"
    assert _here(tmp_path, capsys, as_json=False) == (0, text, "")
    audited.send(site, f"{IMAGE}.fits.fz")
    text = "nothing is wrong; 1 file waits in incoming, the oldest for 0.0 h\n"
    assert _here(tmp_path, capsys, as_json=False) == (0, text, "")


def test_findings_say_what_is_wrong_and_what_repair_does(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.store("previews").delete(f"{LATER}.preview-1024.jpg")
    site.store("images").delete(f"{OTHER_IMAGE}.fits.fz")
    audited.change(site, "units", "PAN001", num_images=77)
    status, report, _ = _here(tmp_path, capsys)
    assert status == 3
    assert [(f["severity"], f["kind"], f["location"], f["name"]) for f in report["findings"]] == [
        ("error", "object-missing", "previews", f"{LATER}.preview-1024.jpg"),
        ("error", "object-missing", "images", f"{OTHER_IMAGE}.fits.fz"),
        ("warning", "count-wrong", "catalog", "units/PAN001"),
    ]
    assert [f["repair"] for f in report["findings"]] == ["rebuild", None, "settle"]
    assert report["findings"][0]["sequence_id"] == SEQUENCE_ID
    assert "num_images is 77 and should be 3" in report["findings"][2]["sentence"]
    status, text, _ = _here(tmp_path, capsys, as_json=False)
    assert status == 3
    assert f"images: {OTHER_IMAGE}.fits.fz" in text
    assert "Upload the file again" in text
    assert "2 errors (object-missing), 1 warning (count-wrong); nothing waits" in text


def _restored(site: Site, location: Location) -> int:
    """Every object of a location written anew, as by a copy from a backup."""
    files = [
        path for path in Path(getattr(site.settings, location)).rglob("*.f*") if path.is_file()
    ]
    for path in files:
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    return len(files)


def test_after_a_restore_what_has_moved_is_a_line_and_the_errors_are_last(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.store("images").delete(f"{OTHER_IMAGE}.fits.fz")
    moved = _restored(site, "images")
    audited.change(site, "units", "PAN001", num_images=77)
    assert moved > 1
    _, report, _ = _here(tmp_path, capsys)
    assert [f["kind"] for f in report["findings"]].count("object-moved") == moved
    _, text, _ = _here(tmp_path, capsys, as_json=False)
    lines = text.splitlines()
    (summed,) = [line for line in lines if "object-moved:" in line]
    assert summed.startswith(f"warning: object-moved: images: {moved} objects were written anew")
    assert lines.index("warning: count-wrong") < lines.index(summed)
    assert lines[lines.index(summed) + 1] == "error: object-missing"
    status, text, _ = _here(tmp_path, capsys, as_json=False, repair=True)
    assert status == 3
    assert f"images: {moved} objects were written anew with the same bytes" in text
    assert text.splitlines()[-4] == "error: object-missing"


def test_repair_mends_what_it_can_and_says_what_is_left(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audited.forget(site, "images", LATER_ID)
    status, report, errors = _here(tmp_path, capsys, repair=True)
    assert (status, errors) == (0, "")
    assert report["counts"]["mended"] == len(report["findings"]) > 0
    site.store("previews").delete(f"{IMAGE}.preview-1024.jpg")
    site.store("images").delete(f"{OTHER_IMAGE}.fits.fz")
    status, report, _ = _here(tmp_path, capsys, repair=True)
    assert status == 3
    assert report["counts"] == {"found": 2, "mended": 1, "left": 1, "errors": 1}
    status, text, _ = _here(tmp_path, capsys, repair=True, as_json=False, unit="PAN001")
    assert status == 0
    assert text.startswith("nothing is wrong; ")


def test_what_cannot_be_audited_is_said_in_one_sentence(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, words in (
        ({"data": "nowhere"}, "no catalogue"),
        ({"night": "tonight"}, "names no night"),
        ({"unit": "14d3bd"}, "names no unit"),
        ({"truth": tmp_path / "none"}, "no file"),
    ):
        status, report, errors = _here(tmp_path, capsys, **options)
        assert (status, report["findings"]) == (1, [])
        assert words in report["message"]
        assert errors.count("\n") == 1
    assert not (tmp_path / "nowhere").exists()


def test_the_installed_command_finds_what_simulated_units_sent(tmp_path: Path) -> None:
    def call(*arguments: str | Path) -> tuple[int, str]:
        done = subprocess.run(
            [COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        return done.returncode, done.stdout

    sent = ("simulate", "data/incoming", "--images", "1", "--cameras", "1", "--truth", "sent")
    assert call(*sent)[0] == 0
    site = sites.drained(tmp_path)
    sites.ingest_all(site)
    status, output = call("audit", "--data", "data", "--truth", "sent", "--json")
    assert (status, json.loads(output)["findings"]) == (0, [])
    site.store("previews").delete(next(iter(site.store("previews").list())).name)
    assert call("audit", "--data", "data", "--truth", "sent", "--night", "20260114")[0] == 3
