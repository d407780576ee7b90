"""Worlds to break, and the suite's report.

``FAULTS=long`` injects everything (`make faults`); otherwise a sample that the seed chooses.
``FAULT_SEED`` repeats an earlier run's choices.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.real import children
from tests.real.firestore_faults import FaultyFirestore, faulty_firestore
from tests.real.tally import Tally
from tests.real.trials import MakeWorld, Trials
from tests.real.worlds import Backend, folder_world, google_world

IS_LONG = os.environ.get("FAULTS") == "long"
REPORT = Path(__file__).resolve().parents[2] / "build"

Value = TypeVar("Value")
_started = time.monotonic()
_all = Tally()


def scale(short: Value, long: Value) -> Value:
    return long if IS_LONG else short


@pytest.fixture(scope="session")
def seed() -> int:
    """Of every choice of this run; the same in every worker of pytest-xdist."""
    given = os.environ.get("FAULT_SEED")
    # Without one, a test run is the same every day: what fails can be looked for.
    return int(given) if given else 20180216


@pytest.fixture
def chance(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """The test's own chance, whatever ran before it."""
    return random.Random(f"{seed}/{request.node.name}")


@pytest.fixture
def tally(seed: int, record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    """What the test injected; the test fails with everything that was found, at its end."""
    counted = Tally(seed=seed)
    yield counted
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
                _all.merge(Tally.of(json.loads(str(value))))
    if report.skipped and isinstance(report.longrepr, tuple):
        _all.skipped.append(f"{report.nodeid.rpartition('::')[2]}: {report.longrepr[2]}")
    elif report.failed:
        _all.notes.append(f"{report.nodeid.rpartition('::')[2]} failed in its {report.when}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not IS_LONG or not _all.kinds or hasattr(config, "workerinput"):
        return
    text = _all.markdown(scale="long", seconds=time.monotonic() - _started)
    REPORT.mkdir(exist_ok=True)
    (REPORT / "faults.md").write_text(text)
    (REPORT / "faults.json").write_text(json.dumps(_all.document(), indent=1) + "\n")
    terminalreporter.write_line(text)
