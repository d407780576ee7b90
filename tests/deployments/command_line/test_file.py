"""`panoptes-network file`."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from deployments.command_line.main import app
from tests import sites
from tests.files import IMAGE, LATER, place, tiny_fits


def test_it_is_told_in_words_and_as_json_what_became_of_a_file(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    place(sites.incoming(site), f"{LATER}.fits", b"junk")
    sites.run(site)
    data = ["--data", str(tmp_path / "data")]

    def call(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["file", *arguments, *data])
        return done.exit_code, done.stdout

    code, told = call(f"{LATER}.fits")
    assert (code, "not a FITS file" in told, "what to do" in told) == (0, True, True)
    code, answer = call(f"{IMAGE.rpartition('/')[2]}.fits", "--json")
    assert (code, json.loads(answer)["files"][0]["state"]) == (0, "archived")
    found = CliRunner().invoke(app, ["file", f"{LATER.rpartition('/')[2]}.fits", *data])
    assert (found.exit_code, found.stderr) == (0, "")  # no word of how else it might be found
    code, told = call("PAN001/nothing.fits")
    assert (code, "not known here" in told) == (3, True)
    assert call("gs://elsewhere/x.fits")[0] == 1
