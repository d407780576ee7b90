"""Logs as JSON: one line a record, and in each what it is about."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.structured_log import JsonLine, about
from tests.files import IMAGE


class Lines:
    """What a logger wrote."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def __call__(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Of the root logger."""
    written = Lines()
    handler = logging.StreamHandler(written.stream)
    handler.setFormatter(JsonLine())
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


FAILING = """
import logging, sys
from pathlib import Path
from panoptes.network.structured_log import JsonLine
from tests import sites
from tests.files import IMAGE, place, tiny_fits

handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(JsonLine())
logging.getLogger().addHandler(handler)
folder = Path(sys.argv[1])
site = sites.drained(folder, failure_limit=2)
place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
(folder / "data" / "images").rmdir()
(folder / "data" / "images").touch()  # where the archive should be
sites.run(site)
"""


def test_a_file_that_fails_is_logged_with_its_observation_and_image(
    tmp_path: Path, repository: Path
) -> None:
    # In a process of its own: other tests set up logging as they need it.
    ran = subprocess.run(
        [sys.executable, "-c", FAILING, str(tmp_path)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    line = json.loads(ran.stdout.splitlines()[-1])
    assert line["severity"] in ("WARNING", "ERROR")
    assert line["sequence_id"] == "PAN001_14d3bd_20180216T110623"
    assert line["image_id"] == "PAN001_14d3bd_20180216T112430"
    assert "could not be taken" in line["message"]


def test_nothing_that_was_uploaded_begins_a_line() -> None:
    # Not through a logger: pytest's own handlers cannot hand on half a pair.
    text = 'x\n{"severity": "INFO"}\x1b[31m\u2028\ud800'
    line = JsonLine().format(logging.makeLogRecord({"msg": text, "levelno": logging.WARNING}))
    assert json.loads(line)["message"] == r'x\n{"severity": "INFO"}\x1b[31m\u2028\ud800'
    assert line.isascii()
    assert "\n" not in line


def test_an_error_has_its_traceback_and_a_severity_that_cloud_logging_reads(lines: Lines) -> None:
    try:
        raise ValueError("so it is")
    except ValueError:
        logging.getLogger("other").exception("it broke")
    (line,) = lines()
    assert (line["severity"], line["message"]) == ("ERROR", "it broke")
    assert line["stack_trace"].endswith("ValueError: so it is\n")
    assert line["time"].endswith("+00:00")


def test_what_it_is_about_is_told_of_each_thread_by_itself(lines: Lines) -> None:
    def tell(image: str) -> None:
        with about("S", image):
            logging.getLogger("other").warning("of %s", image)

    with about("S"), ThreadPoolExecutor(2) as pool:
        list(pool.map(tell, ["A", "B"]))
        logging.getLogger("other").warning("of all")
    said = {line["message"]: line.get("image_id") for line in lines()}
    assert said == {"of A": "A", "of B": "B", "of all": None}


@pytest.mark.parametrize(
    ("message", "run", "named"),
    [
        (f"sender tells of {IMAGE}.fits", {}, ("20180216T110623", "20180216T112430")),
        (
            "PAN001/Wasp 35/14d3bd/20180216T110623/20180216T112630.fits",
            {},
            ("20180216T110623", "20180216T112630"),
        ),
        ("PAN001/14d3bd/20180216T110623/", {}, ("20180216T110623", None)),
        (
            "Finished in state Completed()",
            {
                "flow_run_name": "ingest PAN001_14d3bd_20180216T110623",
                "task_run_name": "compress PAN001_14d3bd_20180216T112430 fits",
            },
            ("20180216T110623", "20180216T112430"),
        ),
        ("nothing of ours", {}, (None, None)),
    ],
)
def test_observation_and_image_are_found_in_what_a_record_names(
    message: str, run: dict[str, str], named: tuple[str | None, str | None], lines: Lines
) -> None:
    logging.getLogger("other").warning(message, extra=run)
    (line,) = lines()
    expected = [time and f"PAN001_14d3bd_{time}" for time in named]
    assert [line.get("sequence_id"), line.get("image_id")] == expected
