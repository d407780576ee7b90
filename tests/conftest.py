"""What all tests share: nothing of the user's own Prefect or cloud settings, and test data."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from deployments.local_stack.stack import LocalStack

REPOSITORY = Path(__file__).resolve().parents[1]

pytest_plugins = (
    ["tests.emulators.fixtures"]
    if (REPOSITORY / "tests" / "emulators" / "fixtures.py").exists()
    and importlib.util.find_spec("tests.emulators")
    else []
)

ON_EMULATORS = {"firestore", "bucket", "google", "on_google"}
"""Parameters for which a fixture asks for emulators when it is set up."""

_scratch = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Isolate the process before any test module imports Prefect, which reads its settings then."""
    foreign = (
        "PANOPTES_",
        "PREFECT_",
        "GOOGLE_",
        "GCLOUD_",
        "CLOUDSDK_",
        "FIRESTORE_",
        "STORAGE_",
        "PUBSUB_",
    )
    for name in [name for name in os.environ if name.startswith(foreign)]:
        del os.environ[name]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    scratch = Path(tempfile.mkdtemp(prefix="panoptes-tests-"))
    config.stash[_scratch] = scratch
    os.environ["PREFECT_HOME"] = str(scratch / "prefect")
    os.environ["PREFECT_LOCAL_STORAGE_PATH"] = str(scratch / "results")
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ["PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW"] = "ignore"
    os.environ["DO_NOT_TRACK"] = "1"

    from hypothesis import settings

    # Wall-clock deadlines only measure how busy the machine is.
    settings.register_profile("network", deadline=None, derandomize="CI" in os.environ)
    settings.load_profile("network")


def pytest_unconfigure(config: pytest.Config) -> None:
    if scratch := config.stash.get(_scratch, None):
        shutil.rmtree(scratch, ignore_errors=True)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are processors: tests of whole stacks wait most of their time."""
    return min(4, len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else 4)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str | None:
    """What runs in one worker of pytest-xdist, since each would set it up anew."""
    fixtures = _fixtures(item)
    if "prefect_stack" in fixtures:
        # In several workers: together these tests take longer than all others. A worker keeps
        # its stack, since Prefect goes on telling the first server of what a process runs.
        return f"prefect_stack-{item.path.parent.name}"
    if "emulators" in fixtures:
        return "emulators"
    if item.get_closest_marker("xdist_group"):
        return None
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if not ON_EMULATORS.isdisjoint(map(str, parameters.values())):
        return "emulators"
    if any(each.scope in ("class", "module") for each in fixtures.values()):
        return str(item.path.relative_to(REPOSITORY))
    return None


def _fixtures(item: pytest.Item | None) -> dict[str, pytest.FixtureDef[Any]]:
    """All that a test asks for, itself or by other fixtures."""
    if not isinstance(item, pytest.Function):
        return {}
    known = item._fixtureinfo.name2fixturedefs
    return {name: known[name][-1] for name in item.fixturenames if name in known}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of a test of a whole stack that fails: where its server stands, and what was logged."""
    report = yield
    if report.failed:
        from deployments.local_stack.stack import LocalStack

        fixtures = getattr(item, "funcargs", {}).values()
        stacks = {
            each
            for one in fixtures
            for each in (one, vars(one).get("stack") if hasattr(one, "__dict__") else None)
            if isinstance(each, LocalStack)
        }
        for stack in stacks:
            report.sections += _last_words(stack)
    return report


def _last_words(stack: LocalStack) -> Iterator[tuple[str, str]]:
    with suppress(KeyError, ProcessLookupError):
        os.kill(stack.process_id("server"), signal.SIGUSR1)  # writes it into its log
        time.sleep(1)
    for log in sorted(stack.logs.glob("*.log")):
        if log.name != "deploy.log":
            lines = log.read_text(errors="replace").splitlines()[-120:]
            yield f"the end of {log.name}", "\n".join(lines)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds pyproject.toml and prefect.yaml."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real observations, kept beside the repository because of their size."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real observations in ../shared/data, beside this repository")
    return folder


@pytest.fixture(scope="session")
def prefect_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A Prefect server and worker of their own, with everything in prefect.yaml deployed."""
    from tests.stacks import begun_stack

    with begun_stack(tmp_path_factory, tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def prefect_api(prefect_stack: LocalStack) -> Iterator[LocalStack]:
    """Flows and tasks called in the test itself report to the stack's server."""
    with prefect_stack.settings():
        yield prefect_stack
