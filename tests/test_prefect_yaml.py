"""prefect.yaml: what Prefect would ignore in it is refused, and its flows are ours."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.flows import load_flow_from_entrypoint

from deployments.work_pools.deploy import WORK_POOL
from deployments.work_pools.lint import lint

SOUND = """
name: example
pull:
  - prefect.deployments.steps.set_working_directory:
      directory: "{{ $PWD }}"
definitions: {}
deployments:
  - name: local
    entrypoint: flow.py:example
    tags: [example]
    parameters: {count: 3}
    work_pool: {name: panoptes, work_queue_name: default, job_variables: {}}
    concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}
    schedules:
      - {slug: hourly, interval: 3600, active: false, parameters: {count: 1}}
    triggers:
      - name: arrived
        posture: Reactive
        expect: [example.arrived]
        for_each: [example.observation]
        threshold: 1
        within: 60
        schedule_after: 60
        parameters: {count: "{{ event.payload.count }}"}
      - name: both
        type: compound
        require: all
        within: 60
        triggers:
          - {type: event, posture: Reactive, expect: [example.arrived]}
          - {type: event, posture: Reactive, expect: [example.left]}
"""
FLOW = """
from prefect import flow

@flow
def example(count: int = 1, name: str = "x") -> None: ...
"""
FAULTS = {
    "a key of the file": ("name: example", "nme: example", "'nme' is unknown"),
    "a key of a deployment": ("tags:", "tag:", "'tag' is unknown; did you mean 'tags'?"),
    "a key of a trigger": ("within: 60\n        sch", "wihtin: 60\n        sch", "'wihtin'"),
    "a key of an inner trigger": ("expect: [example.left]", "expct: [example.left]", "'expct'"),
    "a value of a trigger": ("posture: Reactive\n", "posture: Reactiv\n", "posture"),
    "a key of a schedule": ("active:", "actve:", "'actve' is unknown"),
    "a value of a schedule": ("interval: 3600", "interval: often", "interval"),
    "a key of the work pool": ("work_queue_name:", "queue:", "'queue' is unknown"),
    "a missing work pool": ("work_pool:", "work_pol:", "has no work_pool"),
    "a key of the limit": ("collision_strategy:", "colision:", "'colision' is unknown"),
    "a value of the limit": ("CANCEL_NEW", "CANCEL", "collision_strategy 'CANCEL' is unknown"),
    "a pull step": ("set_working_directory", "set_directory", "cannot be imported"),
    "an argument of a pull step": ('directory: "', 'folder: "', "'folder' is unknown"),
    "the name of a parameter": ("{count: 3}", "{cuont: 3}", "'cuont' is unknown"),
    "the value of a parameter": ("{count: 3}", "{count: three}", "count Input should be"),
    "a parameter of a schedule": ("{count: 1}", "{conut: 1}", "'conut' is unknown"),
    "a parameter of a trigger": ('{count: "{{', '{coutn: "{{', "'coutn' is unknown"),
    "the file of an entrypoint": ("flow.py:", "flows.py:", "entrypoint cannot be imported"),
    "the function of an entrypoint": (":example\n", ":exmaple\n", "entrypoint cannot be imported"),
}

MODULES = """
import json, sys
from prefect.flows import load_flow_from_entrypoint
for entrypoint in sys.argv[1:]:
    load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
ours = ("panoptes", "blocks", "tasks", "flows", "deployments")
print(json.dumps({
    name: module.__file__
    for name, module in sys.modules.items()
    if name.split(".")[0] in ours and getattr(module, "__file__", None)
}))
"""


@pytest.fixture(scope="module")
def prefect_yaml(repository: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((repository / "prefect.yaml").read_text())
    return document


@pytest.fixture
def decoys(tmp_path: Path) -> Path:
    """A user's folder whose modules have the names of ours."""
    for name in ("panoptes", "blocks", "tasks", "flows", "deployments"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not the project')\n")
    return tmp_path


def _write(folder: Path, text: str) -> Path:
    (folder / "flow.py").write_text(FLOW)
    file = folder / "prefect.yaml"
    file.write_text(text)
    return file


def test_the_projects_own_file_is_sound(repository: Path) -> None:
    assert lint(repository / "prefect.yaml") == []


def test_prefects_forms_say_of_every_flow_deployment_and_parameter_what_it_is(
    prefect_yaml: dict[str, Any],
) -> None:
    deployments = prefect_yaml["deployments"]
    silent = [
        f"{each['entrypoint']}: {each['name']}"
        for each in deployments
        if not _is_a_sentence(each.get("description"))
    ]
    for entrypoint in dict.fromkeys(each["entrypoint"] for each in deployments):
        flow: Any = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
        told = {"": flow.description}
        told |= {k: v.get("description") for k, v in flow.parameters.properties.items()}
        silent += [f"{flow.name} {k}" for k, text in told.items() if not _is_a_sentence(text)]
    assert not silent


def _is_a_sentence(text: str | None) -> bool:
    first = (text or "").partition("\n\n")[0].strip()
    return len(first.split()) > 3 and first[0].isupper() and first.endswith((".", ":"))


def test_a_sound_file_has_no_problems(tmp_path: Path) -> None:
    assert lint(_write(tmp_path, SOUND)) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_slip_is_found_and_named(fault: str, tmp_path: Path) -> None:
    right, wrong, sentence = FAULTS[fault]
    assert right in SOUND
    problems = lint(_write(tmp_path, SOUND.replace(right, wrong, 1)))
    assert any(sentence in problem for problem in problems), problems


def test_two_deployments_of_one_flow_may_not_share_a_name(tmp_path: Path) -> None:
    twice = SOUND + SOUND[SOUND.index("  - name: local") :]
    assert any("is there twice" in problem for problem in lint(_write(tmp_path, twice)))


def test_everything_runs_where_the_local_stack_has_a_worker(prefect_yaml: dict[str, Any]) -> None:
    pools = {d["work_pool"]["name"] for d in prefect_yaml["deployments"] if d["name"] == "local"}
    assert pools == {WORK_POOL}


def test_only_sweep_tables_night_report_and_retention_run_by_the_clock(
    prefect_yaml: dict[str, Any],
) -> None:
    scheduled = {d["entrypoint"] for d in prefect_yaml["deployments"] if d.get("schedules")}
    assert scheduled == {
        "flows.sweep_incoming.sweep_incoming",
        "flows.export_tables.export_tables",
        "flows.night_report.night_report",
        "flows.apply_retention.apply_retention",
    }


def test_every_entrypoint_is_the_installed_packages(
    prefect_yaml: dict[str, Any], repository: Path, tmp_path: Path
) -> None:
    """In an empty folder, as a worker makes one for each run."""
    assert prefect_yaml["pull"] == [], "nothing of the deployer's folder is stored"
    entrypoints = [deployment["entrypoint"] for deployment in prefect_yaml["deployments"]]
    job = subprocess.run(
        [sys.executable, "-c", MODULES, *entrypoints],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert job.returncode == 0, job.stderr
    modules = json.loads(job.stdout.splitlines()[-1])
    assert {name.split(".")[0] for name in modules} >= {"panoptes", "flows"}
    for name, file in modules.items():
        assert Path(file).is_relative_to(repository), f"{name} came from {file}"


def test_the_command_takes_the_projects_modules_whatever_the_folder_it_starts_in(
    decoys: Path,
) -> None:
    command = Path(sysconfig.get_path("scripts")) / "panoptes-network"
    shown = subprocess.run(
        [command, "ingest", "--help"], cwd=decoys, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert "FOLDER" in shown.stdout
