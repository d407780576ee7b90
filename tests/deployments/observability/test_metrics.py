"""Metrics, and the alerts and the dashboard that are made of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from deployments.receiver import metrics as of_receiver
from deployments.receiver.health_monitor import Concern, Report
from deployments.services import metrics_routes as of_services
from deployments.work_pools import warm_worker
from panoptes.network.ingest.backlog import Backlog
from tests.archives import small_archive
from tests.deployments.receiver.receiving import receiving
from tests.deployments.services.served import served

BACKLOG = Backlog(files=12, observations=3, overdue=2, oldest_seconds=900.0)
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool, of Prometheus"
)
REPORT = Report("Prefect cannot be reached", (Concern("unit-silent.PAN001", "silent"),))


@pytest.fixture(scope="module")
def folder(repository: Path) -> Path:
    return repository / "deployments" / "observability"


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> str:
    site = small_archive(tmp_path_factory.mktemp("archive"))
    services = of_services.exposed(site, datetime.now(UTC))
    receiver = of_receiver.exposed(REPORT, BACKLOG, {"overdue": 4, "at work": 2})
    return (services + receiver + generate_latest(warm_worker.METRICS)).decode()


def test_files_units_and_what_waits_are_counted(texts: str) -> None:
    lines = texts.splitlines()
    assert 'panoptes_files{outcome="archived"} 3.0' in lines
    assert "panoptes_receiver_ready 0.0" in lines
    assert 'panoptes_concern{kind="unit-silent"} 1.0' in lines
    assert "panoptes_files_overdue 2.0" in lines
    assert 'panoptes_runs{state="overdue"} 4.0' in lines
    assert any(line.startswith('panoptes_unit_lag_seconds{unit="PAN001"}') for line in lines)


def test_services_and_receiver_answer_prometheus(tmp_path: Path) -> None:
    with served(small_archive(tmp_path)) as client:
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        assert 'panoptes_files{outcome="archived"} 3.0' in answer.text
    with receiving() as client:
        assert "panoptes_receiver_ready 0.0" in client.get("/metrics").text
    with served(small_archive(tmp_path / "guarded"), token="a secret of many letters") as client:
        assert client.get("/metrics").status_code == 401


def test_alerts_and_dashboard_ask_for_nothing_else(texts: str, folder: Path) -> None:
    there = set(re.findall(r"^(panoptes_\w+)", texts, re.MULTILINE))
    asked = json.loads((folder / "dashboard.json").read_text())
    expressions = [target["expr"] for panel in asked["panels"] for target in panel["targets"]]
    expressions += [rule["expr"] for rule in rules_of(folder)]
    named = {name for each in expressions for name in re.findall(r"panoptes_\w+", each)}
    assert named <= there
    assert len(named) >= 7


def rules_of(folder: Path) -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((folder / "alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def test_each_alert_leads_to_its_row_in_the_docs(folder: Path, repository: Path) -> None:
    rules = rules_of(folder)
    (place,) = {rule["annotations"]["runbook"] for rule in rules}
    page, _, anchor = place.partition("#")
    _, _, text = (repository / page).read_text().partition("\n## Metrics and alerts\n")
    assert anchor == "metrics-and-alerts"
    rows = re.findall(
        r"^\| `(\w+)` \| .+ \| .*`.+`.* \|$", text.partition("\n## ")[0], re.MULTILINE
    )
    assert rows == [rule["alert"] for rule in rules]


def promtool(*arguments: str, text: str = "") -> None:
    done = subprocess.run(
        ["promtool", *arguments], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_takes_metrics_alerts_and_all_that_the_dashboard_asks(
    texts: str, folder: Path, tmp_path: Path
) -> None:
    promtool("check", "metrics", text=texts)
    promtool("check", "rules", str(folder / "alerts.yml"))
    panels = json.loads((folder / "dashboard.json").read_text())["panels"]
    rules = [
        {"record": f"panel{panel['id']}:target{number}", "expr": target["expr"]}
        for panel in panels
        for number, target in enumerate(panel["targets"])
    ]
    asked = tmp_path / "dashboard.yml"
    asked.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(asked))


@needs_promtool
def test_each_alert_is_given_when_it_should_be_and_not_before(folder: Path) -> None:
    cases = Path(__file__).parent / "alerts_test.yml"
    tried = set(re.findall(r"alertname: (\w+)", cases.read_text()))
    assert tried == set(re.findall(r"alert: (\w+)", (folder / "alerts.yml").read_text()))
    promtool("test", "rules", str(cases))
