"""`panoptes-network ingest`, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployments.command_line.ingest import ingest
from panoptes.network.site import Site
from tests import sites
from tests.files import (
    IMAGE,
    LATER,
    SEQUENCE,
    SEQUENCE_ID,
    jpeg,
    mp4,
    place,
    tiny_fits,
    tiny_fits_fz,
)

COMMAND = Path(sys.executable).with_name("panoptes-network")
GOOD = {
    f"{IMAGE}.fits.fz": tiny_fits_fz(),
    f"{LATER}.FITS": tiny_fits(seed=1),
    f"{IMAGE}.jpg": jpeg(),
    f"{SEQUENCE}.mp4": mp4(),
    "PAN001/Wasp 35/14d3bd/20180216T110623/20180216T112830.fits": tiny_fits(seed=2),
}
LATIN = os.fsdecode(b"caf\xe9.fits")


@pytest.fixture
def night(tmp_path: Path) -> Path:
    folder = tmp_path / "my night"
    for name, data in GOOD.items():
        place(folder, name, data)
    return folder


def _start(
    *arguments: str | Path, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    command = [COMMAND, "ingest", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=cwd, stdout=pipe, stderr=pipe, env=os.environ | (environment or {})
    )


def _finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def _call(*arguments: str | Path, cwd: Path) -> tuple[int, Any, bytes]:
    """Exit code, the one JSON object on standard output, and standard error."""
    status, output, errors = _finish(_start(*arguments, "--rest", "0", "--json", cwd=cwd))
    return status, json.loads(output), errors


def _here(
    folder: Path, data: Path, capsys: pytest.CaptureFixture[str], **options: Any
) -> tuple[int, Any]:
    """The same without a process of its own."""
    chosen: dict[str, Any] = {
        "compression": "GZIP_2",
        "workers": 0,
        "rest": 0.0,
        "dry_run": False,
        "as_json": True,
    } | options
    status = ingest(folder, data, **chosen)
    output = capsys.readouterr().out
    return status, json.loads(output) if chosen["as_json"] else output


def _became(report: Any) -> dict[str, str]:
    return {row["name"]: row["outcome"] for row in report["files"]}


def test_a_folder_of_good_files_is_archived_and_left_as_it_is(night: Path, tmp_path: Path) -> None:
    before = sites.picture_of(night)
    status, report, errors = _call(night, "--data", "out", cwd=tmp_path)
    assert (status, errors) == (0, b"")
    assert report.keys() == {"success", "files", "counts"}
    assert [row["name"] for row in report["files"]] == sorted(GOOD)
    assert report["counts"] == {
        "catalogued": 3, "filed": 2, "already": 0, "quarantined": 0, "waiting": 0, "failed": 0,
    }  # fmt: skip
    for row in report["files"]:
        assert row.keys() == {
            "name", "outcome", "image_id", "location", "path", "code", "reason", "stays",
        }  # fmt: skip
        assert (tmp_path / "out" / row["location"] / row["path"]).is_file()
        assert (row["code"], row["reason"], row["stays"]) == (None, None, None)
    assert sites.picture_of(night) == before


def test_a_folder_full_of_traps_ends_with_a_reason_for_each(night: Path, tmp_path: Path) -> None:
    (night / "folder.fits").mkdir()
    (night / ".git").mkdir()
    place(night, ".git/config", b"hidden")
    place(night, f"{SEQUENCE}/20180216T113030.fits", tiny_fits()[:3000])
    place(night, f"{SEQUENCE}/20180216T113031.fits", b"")
    place(night, LATIN, tiny_fits())
    place(night, "line\nbreak.jpg", jpeg())
    os.mkfifo(night / f"{SEQUENCE}/20180216T113032.fits")
    (night / "dangling.fits").symlink_to("nowhere")
    (night / "loop").symlink_to(night)
    outside = place(tmp_path, "elsewhere.fits", tiny_fits(seed=4))
    (night / f"{SEQUENCE}/20180216T113033.fits").symlink_to(outside)
    before = sites.picture_of(night)
    status, report, errors = _call("my night", "--data", "out", cwd=tmp_path)
    assert (status, errors) == (3, b"")
    rows = {row["name"]: row for row in report["files"]}
    codes = {name: row["code"] for name, row in rows.items() if row["outcome"] == "quarantined"}
    assert codes == {
        f"{SEQUENCE}/20180216T113030.fits": "truncated-file",
        f"{SEQUENCE}/20180216T113031.fits": "empty-file",
        f"{SEQUENCE}/20180216T113032.fits": "not-a-file",
        r"caf\xe9.fits": "unroutable-name",
        "line\nbreak.jpg": "unroutable-name",
        "dangling.fits": "unroutable-name",
        "loop": "unknown-suffix",
    }
    assert all(rows[name]["reason"] for name in codes)
    assert rows[f"{SEQUENCE}/20180216T113033.fits"]["outcome"] == "catalogued"
    assert {rows[name]["outcome"] for name in GOOD} <= {"catalogued", "filed"}
    assert report["counts"]["quarantined"] == len(codes)
    assert sites.picture_of(night) == before
    for row in rows.values():
        if row["path"] is not None:
            assert (tmp_path / "out" / row["location"] / row["path"]).is_file()


def test_files_that_are_just_being_written_are_waited_for_and_said(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    being_written = place(night, f"{SEQUENCE}/20180216T113030.fits", tiny_fits(seed=5))
    place(night, f"{SEQUENCE}/.20180216T113130.fits.XyZ123", tiny_fits(seed=6))
    with being_written.open("ab"):
        status = ingest(
            night, tmp_path / "out", compression="GZIP_2", workers=0, rest=3.0,
            dry_run=False, as_json=False,
        )  # fmt: skip
    said = capsys.readouterr()
    assert status == 3
    assert "1 waiting" in said.out
    assert "Somebody is still writing it." in said.out.replace("\n", " ")
    assert "looking again in" in said.err
    status, report, _ = _call("my night", "--data", "out", cwd=tmp_path)
    assert status == 0
    assert report["counts"]["catalogued"] == 1
    assert report["counts"]["already"] == len(GOOD)


def test_two_at_once_make_what_one_makes(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _here(night, tmp_path / "alone", capsys)
    both = [
        _start(night, "--data", "both", "--rest", "0", "--json", cwd=tmp_path) for _ in range(2)
    ]
    for process in both:
        status, output, errors = _finish(process)
        assert (status, errors) == (0, b"")
        became = _became(json.loads(output))
        assert became.keys() == GOOD.keys()
        assert set(became.values()) <= {"catalogued", "filed", "already"}
    one, two = (Site.in_folder(tmp_path / data, incoming=night) for data in ("alone", "both"))
    assert sites.objects(two) == sites.objects(one)
    assert sites.documents(two) == sites.documents(one)


def test_a_table_is_for_people_and_the_data_folder_is_here_unless_set_otherwise(
    night: Path,
) -> None:
    for words in (b"3 catalogued, 2 filed", b"5 already"):
        status, output, errors = _finish(
            _start(".", "--rest", "0", cwd=night, environment={"COLUMNS": "200"})
        )
        assert (status, errors) == (0, b"")
        assert words in output
        assert b"Wasp 35" in output
    assert (night / "panoptes-data" / "images" / f"{IMAGE}.fits.fz").is_file()


@pytest.mark.parametrize("with_data", [False, True])
def test_a_dry_run_says_what_would_be_and_writes_nothing(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], with_data: bool
) -> None:
    place(night, "stray.fits", b"x")
    if with_data:
        _here(night, tmp_path / "out", capsys)
    before = {path: seen[2] for path, seen in sites.picture_of(tmp_path).items()}
    if with_data:
        status, report = _here(night, tmp_path / "out", capsys, dry_run=True)
    else:
        status, report, errors = _call(night, "--data", "out", "--dry-run", cwd=tmp_path)
        assert errors == b""
    assert status == 3
    assert {path: seen[2] for path, seen in sites.picture_of(tmp_path).items()} == before
    assert report["counts"]["quarantined"] == 1
    assert report["counts"]["already" if with_data else "catalogued"] == (5 if with_data else 3)


@pytest.mark.parametrize("keep_copy", [True, False])
def test_again_is_already_and_an_output_that_was_deleted_comes_back(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], keep_copy: bool
) -> None:
    data = tmp_path / "out"
    _here(night, data, capsys)
    site = Site.in_folder(data, incoming=night)
    before = sites.objects(site), sites.documents(site)
    if not keep_copy:
        for key in before[0]:
            (data / key).unlink()
    status, report = _here(night, data, capsys)
    assert status == 0
    assert (set(_became(report).values()) == {"already"}) is keep_copy
    assert (sites.objects(site), sites.documents(site)) == before


def test_documents_that_existed_before_are_completed(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "out"
    site = Site.in_folder(data, incoming=night)
    site.check()
    mine = {"status": "metadata_received", "my_field": [1, {"a": None}], "camera_filter": "clear"}
    site.catalog.create("observations", SEQUENCE_ID, dict(mine))
    assert _here(night, data, capsys)[0] == 0
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert observation["status"] == "received"
    assert (observation["my_field"], observation["camera_filter"]) == ([1, {"a": None}], "clear")
    assert observation["num_images"] == 3


def test_a_folder_that_is_not_there_is_said_in_one_sentence(tmp_path: Path) -> None:
    status, report, errors = _call("nowhere", cwd=tmp_path)
    assert status == 1
    assert report["files"] == []
    assert "there is no folder nowhere" in report["message"]
    assert errors.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []


def _refused(folder: Path, data: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> str:
    status, report = _here(folder, data, capsys, **options)
    assert (status, report["files"]) == (1, [])
    return str(report["message"])


def test_settings_that_cannot_work_are_said_in_one_sentence(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sites.picture_of(night)
    assert "GZIP_2" in _refused(night, tmp_path / "out", capsys, compression="zip")
    assert "a folder of its own" in _refused(night, night, capsys)
    assert "a folder of its own" in _refused(night, night / "x" / "..", capsys, dry_run=True)
    assert "file" in _refused(night / f"{IMAGE}.jpg", tmp_path / "out", capsys)
    file = place(tmp_path, "file", b"")
    assert str(file) in _refused(night, file, capsys)
    place(tmp_path, "odd/catalog.sqlite", b"this is no database" * 100)
    assert "catalog.sqlite" in _refused(night, tmp_path / "odd", capsys)
    assert "catalog.sqlite" in _refused(night, tmp_path / "odd", capsys, dry_run=True)
    assert sites.picture_of(night) == before


def test_an_empty_folder_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    status, report = _here(tmp_path / "empty", tmp_path / "out", capsys)
    assert (status, report["files"]) == (0, [])
    status, output = _here(tmp_path / "empty", tmp_path / "out", capsys, as_json=False)
    assert "nothing to do" in output


def test_names_with_brackets_are_no_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "[bold]my[/red] night"
    place(folder, "[bold]stray.fits", b"x")
    status, output = _here(folder, tmp_path / "[/x]", capsys, as_json=False)
    assert status == 3
    assert "[bold]stray.fits" in output


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to the superuser")
def test_what_may_not_be_read_fails_alone(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = night / f"{LATER}.FITS"
    secret.chmod(0)
    night.chmod(0o555)
    try:
        status, report = _here(night, tmp_path / "out", capsys)
    finally:
        night.chmod(0o755)
    assert status == 1
    became = _became(report)
    assert became.pop(f"{LATER}.FITS") == "failed"
    assert set(became.values()) == {"catalogued", "filed"}
