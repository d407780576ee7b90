"""Logs of Prefect's processes as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import prefect.logging
import yaml

from deployments.local_stack.stack import JSON_LOGGING, LocalStack

FLOW = """
from prefect import flow
from prefect.logging import get_run_logger
import logging

@flow(name="telling", flow_run_name="ingest PAN001_14d3bd_20180216T110623")
def telling():
    get_run_logger().info("of the run")
    logging.getLogger("panoptes.network.x").warning("of the library")

telling()
"""


def test_all_but_the_console_is_as_prefect_has_it() -> None:
    ours = yaml.safe_load(JSON_LOGGING.read_text())
    theirs = yaml.safe_load((Path(prefect.logging.__file__).parent / "logging.yml").read_text())
    assert ours["loggers"] == theirs["loggers"]
    assert ours["root"] == theirs["root"]
    assert ours["handlers"].keys() == theirs["handlers"].keys()


def test_a_run_logs_lines_of_json_with_its_observation(prefect_api: LocalStack) -> None:
    environment = os.environ | prefect_api.environment
    environment["PREFECT_LOGGING_CONFIG_PATH"] = str(JSON_LOGGING)
    done = subprocess.run(
        [sys.executable, "-c", FLOW], env=environment, check=True, capture_output=True, text=True
    )
    lines = {each["message"]: each for each in map(json.loads, done.stderr.splitlines())}
    for message in ("of the run", "Finished in state Completed()"):
        assert lines[message]["severity"] == "INFO"
        assert lines[message]["sequence_id"] == "PAN001_14d3bd_20180216T110623"
    assert lines["of the library"]["severity"] == "WARNING"
