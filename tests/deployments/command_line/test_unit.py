"""`panoptes-network unit`, as an operator types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deployments.command_line.main import app
from panoptes.network.errors import ConfigurationError
from panoptes.network.site import Site
from panoptes.network.units.keys import KeyFolder, WrongSecret, claim
from tests.archives import small_archive

ENTER = ("add", "PAN042", "--name", "School", "--lat", "19.5", "--lon", "-155.6")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    site = small_archive(tmp_path)
    return Path(site.settings.images).parent


def call(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["unit", *arguments, "--data", str(data)])


def answer(data: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call(data, *arguments, "--json").stdout)
    return found


def test_a_unit_is_entered_listed_and_shown(data: Path) -> None:
    tried = call(data, *ENTER, "--elevation", "3400", "--dry-run")
    assert (tried.exit_code, "nothing was written" in tried.stderr) == (0, True)
    assert not (data / "incoming" / "PAN042").exists()
    entered = answer(data, *ENTER, "--elevation", "3400", "--daily-bytes", "5000000")
    assert entered["unit"]["location"] == {"latitude": 19.5, "longitude": -155.6}
    assert Path(entered["folder"]) == data / "incoming" / "PAN042"
    units = {each["unit_id"]: each for each in answer(data, "list")["units"]}
    assert {name: each["is_registered"] for name, each in units.items()} == {
        "PAN001": False,
        "PAN012": False,
        "PAN042": True,
    }
    assert (units["PAN042"]["daily_bytes"], units["PAN042"]["taken_today"]) == (5_000_000, 0)
    listed = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["unit", "list", "--data", str(data)])
    assert listed.stdout.count("not registered") == 2
    assert "3 units" in listed.stdout
    shown = call(data, "show", "PAN001")
    assert "PAN001_14d3bd_20180216T112630" in shown.stdout
    assert "there is no history" in shown.stderr


def test_a_unit_that_is_not_there_is_told_of(data: Path) -> None:
    assert call(data, "show", "PAN099").exit_code == 3
    assert call(data, "show", "whatever").exit_code == 1
    half = call(data, "add", "PAN042", "--lat", "19.5")
    assert (half.exit_code, "--lon" in half.stderr) == (1, True)


def test_a_units_key_waits_to_be_fetched_with_the_secret_that_is_printed(
    data: Path, tmp_path: Path
) -> None:
    key, keys = tmp_path / "made.json", tmp_path / "keys"
    key.write_text('{"type": "service_account"}')
    asked = ("key", "PAN042", "--file", str(key), "--keys", str(keys))
    early = call(data, *asked)
    assert (early.exit_code, early.stdout) == (1, "")
    call(data, *ENTER)
    first, second = (call(data, *asked).stdout.strip() for _ in range(2))
    assert first != second
    site = Site.in_folder(data)
    assert claim(site.catalog, KeyFolder(keys), "PAN042", second) == key.read_bytes()
    key.write_bytes(b"\xff\xfe")
    assert "no text" in call(data, *asked).stderr


def test_who_knows_the_old_secret_is_never_given_the_new_key(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, keys = tmp_path / "made.json", tmp_path / "keys"
    key.write_text("the first")
    asked = ("key", "PAN042", "--file", str(key), "--keys", str(keys))
    call(data, *ENTER)
    old = call(data, *asked).stdout.strip()
    key.write_text("the new")

    def stopped(*arguments: object) -> None:
        raise ConfigurationError("the disk is full")

    for broken in ("put", "new_secret"):  # whichever comes first, the other is not done
        with monkeypatch.context() as patched:
            target = "KeyFolder.put" if broken == "put" else "new_secret"
            patched.setattr(f"deployments.command_line.unit.{target}", stopped)
            assert call(data, *asked).exit_code == 1
        assert (keys / "PAN042.json").read_text() == "the first"
    site = Site.in_folder(data)
    with pytest.raises(WrongSecret):
        claim(site.catalog, KeyFolder(keys), "PAN042", old)


def test_a_network_in_a_folder_has_no_plan_for_a_bucket(data: Path) -> None:
    planned = call(data, "plan", "PAN042", "--project", "mine")
    assert (planned.exit_code, "no bucket" in planned.stderr) == (1, True)
