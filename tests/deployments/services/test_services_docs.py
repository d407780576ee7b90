"""Every curl line of docs/services.md works, and answers what stands below it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployments.services.app import create_app
from deployments.services.settings import ServiceSettings
from tests.light_curve_archive import measured_archive
from tests.local_http import serving

BLOCK = re.compile(r"```bash\n(.*?)```\n(?:```json\n(.*?)```)?", re.DOTALL)
SHOWN = "http://127.0.0.1:8500"
OF_THE_DEMO = {
    "0a5ee1": "14d3bd",
    "20260115T060000": "20180216T110623",
    "20260115T060040": "20180216T112430",
    "3435269496523204608": "3017364032845124352",
    "97.64 29.67": "83.8 -5.4",
    "61055 61056": "58165 58166",
    "2026-01-14": "2018-02-15",
    "2026-01-01": "2018-01-01",
}
"""Names of the demo's night, and those that stand for them in tests."""


def test_the_curl_lines_of_the_docs_work(repository: Path, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    text = (repository / "docs" / "services.md").read_text()
    for shown, ours in OF_THE_DEMO.items():
        assert shown in text
        text = text.replace(shown, ours)
    site = measured_archive(tmp_path)
    ran = 0
    with serving(lambda: create_app(site, ServiceSettings(files="archive"))) as url:
        for commands, answer in BLOCK.findall(text):
            for command in re.findall(r"^curl (?:[^\n]|\n  )*", commands, re.MULTILINE):
                line = command.replace(SHOWN, url).replace("curl ", "curl --silent --fail ", 1)
                done = subprocess.run(
                    ["bash", "-c", line],
                    capture_output=True,
                    text=True,
                    check=False,
                    cwd=tmp_path,
                )
                assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
                assert done.stdout.strip(), command
                if answer:
                    assert_holds(json.loads(done.stdout), json.loads(answer))
                ran += 1
    assert ran >= 15


def assert_holds(found: Any, shown: Any) -> None:
    """Everything that is shown is there."""
    if isinstance(shown, dict):
        for key, value in shown.items():
            assert_holds(found[key], value)
    else:
        assert found == shown


def test_every_setting_is_in_the_docs(repository: Path) -> None:
    text = (repository / "docs" / "services.md").read_text()
    for name in ServiceSettings.model_fields:
        assert f"PANOPTES_SERVICES_{name.upper()}" in text
