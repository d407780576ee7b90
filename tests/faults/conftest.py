"""Worlds to break, and the suite's report.

``FAULTS=long`` injects everything (`make faults`); otherwise a sample that the seed chooses.
``FAULT_SEED`` repeats an earlier run's choices; of ``FAULT_SEEDS`` seeds it is the first.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.faults import children
from tests.faults.firestore_faults import FaultyFirestore, faulty_firestore
from tests.faults.tally import Tally, markdown
from tests.faults.trials import MakeWorld, Trials
from tests.faults.worlds import Backend, folder_world, google_world

IS_LONG = os.environ.get("FAULTS") == "long"
REPORT = Path(__file__).resolve().parents[2] / "build"

Value = TypeVar("Value")
# Without one, a test run is the same every day: what fails can be looked for.
FIRST_SEED = int(os.environ.get("FAULT_SEED") or 20180216)
SEEDS = range(FIRST_SEED, FIRST_SEED + int(os.environ.get("FAULT_SEEDS") or 1))
_started = time.monotonic()
_all: dict[int, Tally] = {}


def scale(short: Value, long: Value) -> Value:
    return long if IS_LONG else short


@pytest.fixture(scope="session")
def seed() -> int:
    """Of every choice of this run; the same in every worker of pytest-xdist."""
    return FIRST_SEED


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if IS_LONG and "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", SEEDS, ids=map(_id_of, SEEDS), scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each module and backend may go to another worker of pytest-xdist."""
    for item in items:
        if IS_LONG and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def _id_of(seed: int) -> str:
    return f"seed {seed}"


@pytest.fixture
def chance(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """The test's own chance, whatever ran before it, and however many seeds there are."""
    return random.Random(f"{seed}/{request.node.name.replace(_id_of(seed), '')}")


@pytest.fixture
def tally(seed: int, record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    """What the test injected; the test fails with everything that was found, at its end."""
    counted, begun = Tally(seed=seed), time.monotonic()
    yield counted
    counted.seconds = time.monotonic() - begun
    record_property("tally", json.dumps(counted.document()))
    assert not counted.findings, "\n".join(counted.findings[:40])


# One worker of pytest-xdist each: every worker that needs them starts emulators of its own.
ON_FOLDERS = pytest.mark.xdist_group("faults")
ON_GOOGLE = pytest.mark.xdist_group("faults-google")
ANSWERS_ON_GOOGLE = pytest.mark.xdist_group("faults-answers") if IS_LONG else ON_GOOGLE


@pytest.fixture(
    params=[pytest.param("folder", marks=ON_FOLDERS), pytest.param("google", marks=ON_GOOGLE)]
)
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.param
    return found


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    """A test that fails may leave one that is stopped."""
    yield
    children.end_all()


@pytest.fixture
def make_world(backend: Backend, tmp_path: Path, request: pytest.FixtureRequest) -> MakeWorld:
    """Makes an empty world on the backend; policies of the network by keyword."""
    if backend == "google":
        storage = request.getfixturevalue("gcs_emulator")
        firestore = request.getfixturevalue("firestore_emulator")
        return lambda **policies: google_world(storage, firestore, **policies)
    made = iter(range(10**6))
    return lambda **policies: folder_world(tmp_path / f"world-{next(made)}", **policies)


@pytest.fixture
def trials(backend: Backend, make_world: MakeWorld, tally: Tally, chance: random.Random) -> Trials:
    return Trials(backend, make_world, tally, chance)


@pytest.fixture(scope="session")
def firestore_proxy(firestore_emulator: str) -> Iterator[FaultyFirestore]:
    with faulty_firestore(firestore_emulator) as proxy:
        yield proxy


# The report: each test hands its tally to whoever controls the run.


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        for name, value in report.user_properties:
            if name == "tally":
                found = Tally.of(json.loads(str(value)))
                _all.setdefault(found.seed, Tally()).merge(found)
    test = report.nodeid.rpartition("::")[2]
    if report.skipped and isinstance(report.longrepr, tuple):
        _of(test).skipped.append(f"{test.partition('[')[0]}: {report.longrepr[2]}")
    elif report.failed:
        _of(test).notes.append(f"{test} failed in its {report.when}")


def _of(test: str) -> Tally:
    """Of the seed that a test had."""
    had = [seed for seed in SEEDS if _id_of(seed) in test] or [FIRST_SEED]
    return _all.setdefault(had[0], Tally(seed=had[0]))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not IS_LONG or not any(each.kinds for each in _all.values()):
        return
    if hasattr(config, "workerinput"):
        return
    text = markdown(_all, commit=_commit(), seconds=time.monotonic() - _started)
    REPORT.mkdir(exist_ok=True)
    (REPORT / "faults.md").write_text(text)
    document = {"commit": _commit(), "seeds": [each.document() for each in _all.values()]}
    (REPORT / "faults.json").write_text(json.dumps(document, indent=1) + "\n")
    terminalreporter.write_line(text)


def _commit() -> str:
    """That of the code that ran, and whether it had been changed since."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(REPORT.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + changed
