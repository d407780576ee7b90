"""Two versions work on one network at the same time, forwards and back, and no file is lost.

The older code comes out of git: the last before names of fields were folded. Where there is no
history, as in an unpacked archive, this is skipped. ``make upgrade-check`` does the same with two
workers on one Prefect server.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from deployments.local_stack.stack import LocalStack
from panoptes.network.audit import audit
from panoptes.network.search import Wanted, find_observations
from panoptes.network.site import Site
from tests import sites
from tests.files import place, tiny_fits

OLD = "a85ea92be424f22afc657d00efd95c32d380daba"
INGEST = """
import sys
from pathlib import Path
from tests import sites
import panoptes.network.search as search
assert "/old/" in search.__file__, search.__file__
site = sites.drained(Path(sys.argv[1]), previews_wanted=False)
print(sorted({str(each.became) for each in sites.ingest_all(site)}))
"""
TIMES = [f"20180216T11{minute:02}23" for minute in range(4)]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The folder of the older code."""
    folder = tmp_path_factory.mktemp("released") / "old"
    done = subprocess.run(
        ["git", "-C", str(repository), "archive", OLD], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("needs the history of this repository, as a clone by git has it")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def environment(old: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(old)}


def ingest_by(old: Path, folder: Path) -> subprocess.Popen[str]:
    """The older code, begun."""
    return subprocess.Popen(
        [sys.executable, "-c", INGEST, str(folder)],
        env=environment(old), cwd=old, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def upload(site: Site, sequence: str, seed: int, images: int = 3) -> list[str]:
    names = [
        f"PAN001/14d3bd/{sequence}/{sequence[:-2]}{second:02}.fits" for second in range(images)
    ]
    for number, name in enumerate(names):
        place(sites.incoming(site), name, tiny_fits(seed=10 * seed + number))
    return names


def assert_nothing_is_lost(site: Site, names: list[str]) -> None:
    assert sites.waiting(site) == []
    assert {name: sites.entry_of(site, name).outcome for name in names} == dict.fromkeys(
        names, "archived"
    )
    assert list(audit(site, deep=True)) == []


def test_an_older_version_beside_this_one_and_after_it_loses_nothing(
    old: Path, tmp_path: Path
) -> None:
    site = sites.drained(tmp_path, previews_wanted=False)
    names = [name for n, time in enumerate(TIMES[:2]) for name in upload(site, time, n)]
    process = ingest_by(old, tmp_path)
    sites.ingest_all(site)  # both take what they find
    said, _ = process.communicate()
    assert process.returncode == 0, said
    sites.ingest_all(site)
    assert_nothing_is_lost(site, names)

    # Back to the older one: it goes on with what this one wrote.
    names += [name for n, time in enumerate(TIMES[2:], 2) for name in upload(site, time, n)]
    process = ingest_by(old, tmp_path)
    said, _ = process.communicate()
    assert (process.returncode, said.strip()) == (0, "['catalogued']")
    assert_nothing_is_lost(site, names)

    # And forwards: what the older one wrote is found by its name.
    site.catalog.close()
    upgraded = sites.drained(tmp_path)
    field = str(sites.document(upgraded, "observations", f"PAN001_14d3bd_{TIMES[3]}")["field_name"])
    found = find_observations(upgraded.catalog, Wanted(field_name=field.upper()))
    assert {each.key for each in found.documents} >= {f"PAN001_14d3bd_{t}" for t in TIMES}


@pytest.mark.skipif("UPGRADE_CHECK" not in os.environ, reason="runs in make upgrade-check")
def test_workers_of_two_versions_share_one_server(old: Path, tmp_path: Path) -> None:
    site = sites.drained(tmp_path, previews_wanted=False)
    worker = ["-m", "prefect", "worker", "start", "--pool", "panoptes", "--limit", "1"]
    with LocalStack(tmp_path / "stack", site=site, worker=False) as stack:
        stack.run_beside("new", [*worker, "--name", "new"])
        stack.run_beside("old", [*worker, "--name", "old"], settings={"PYTHONPATH": str(old)})
        names: list[str] = []
        sequences = [f"20180216T{hour:02}0023" for hour in range(12)]
        for number, sequence in enumerate(sequences):
            names += upload(site, sequence, number)
        runs = [
            stack.run_deployment(
                "ingest-observation/local", {"sequence_id": f"PAN001_14d3bd_{each}"}
            )
            for each in sequences
        ]
        ended = stack.await_runs(runs)
        assert {run.state_name for run in ended} == {"Completed"}
        logs = {name: (stack.logs / f"{name}.log").read_text() for name in ("new", "old")}
        took = {name: sum(str(run) in logs[name] for run in runs) for name in logs}
        assert all(took.values()), took
        sys.stdout.write(f"runs taken: {took}\n")
        assert_nothing_is_lost(site, names)
