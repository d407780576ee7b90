"""`panoptes-network export-tables`: the catalogue's tables, to a folder."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from deployments.command_line.main import app
from tests.archives import small_archive


def export(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["export-tables", *arguments])


def test_the_tables_are_written_where_one_says(tmp_path: Path) -> None:
    site = small_archive(tmp_path)
    data, public = str(Path(site.settings.images).parent), tmp_path / "public"
    done = export("--data", data, "--to", str(public))
    assert done.exit_code == 0, done.output
    assert "observations.csv: 2 rows\nrecent.csv: 2 rows\nstats.csv: 2 rows\n" in done.stdout
    assert (public / "stats.csv").read_text().startswith("year,week,unit_id,")
    for arguments, sentence in (
        (["--data", data], "has no place for public tables"),
        (["--data", data, "--to", "gs://_"], "--to: 'gs://_' is no bucket"),
        (["--data", data, "--to", site.settings.images], "two locations share"),
        (["--data", str(tmp_path / "nothing")], "there is no catalogue in"),
    ):
        failed = export(*arguments)
        assert failed.exit_code == 1
        assert sentence in failed.stderr
