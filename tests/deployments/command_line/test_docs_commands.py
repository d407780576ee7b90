"""The commands in the documentation: those in ```bash are run, in ```sh only looked at."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.actions import WorkPoolUpdate
from typer.main import get_command
from typer.testing import CliRunner

from blocks.network import PanoptesNetwork
from deployments.command_line.main import app
from deployments.local_stack.stack import LocalStack
from deployments.work_pools.deploy import WORK_POOL
from panoptes.network.ingest.cases import cases
from panoptes.network.simulator.night import Night
from panoptes.network.site import Site
from tests.conftest import REPOSITORY
from tests.files import place, tiny_fits

PAGES = [
    page
    for page in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    if "```" in page.read_text()
]
BLOCK = re.compile(r"^```(bash|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(?:\.venv/bin/)?(panoptes-network (?!COMMAND)[^`]+)`")
STAYS = {"serve", "receiver", "watch", "up", "demo"}
"""What does not come to an end, or has tests of its own that show it at length."""
OF_A_SERVER = ("server start", "worker start", "work-queue", "automation", "deployment schedule")
"""What would change the server of all tests: Prefect's own parser reads it."""


def blocks(page: Path, kind: str) -> Iterator[list[str]]:
    """The words of each line."""
    for found, text in BLOCK.findall(page.read_text()):
        if found == kind:
            line = ""
            for more in text.replace("\\\n", " ").splitlines():
                line += more + "\n"
                with suppress(ValueError):  # a quotation that the next line closes
                    if words := shlex.split(line, comments=True):
                        yield words
                    line = ""


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory, prefect_stack: LocalStack) -> Path:
    """A folder in which an operator works: a network, its block, and files of one's own."""
    folder = tmp_path_factory.mktemp("at work")
    Night().send(folder / "FOLDER")  # the demo's, whose names the pages use
    place(folder, "my/own/file.fits", tiny_fits())
    place(folder, "PAN042.json", b'{"type": "service_account"}')
    data = folder / "panoptes-data"
    (data / "incoming").mkdir(parents=True)
    (folder / "demo-data").symlink_to(data)
    taken = CliRunner().invoke(
        app, ["ingest", f"{folder}/FOLDER", "--data", str(data), "--rest", "0"]
    )
    assert taken.exit_code == 3, taken.output  # one file is cut short
    with prefect_stack.settings():
        PanoptesNetwork.of(Site.in_folder(data)).save("default", overwrite=True)
    return folder


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(blocks(page, "bash"))], ids=lambda page: page.stem
)
def test_the_commands_of_a_page_work(
    page: Path, at_work: Path, prefect_api: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(at_work)
    case = next(each.report.id for each in cases(Site.in_folder(at_work / "panoptes-data")))
    for words in blocks(page, "bash"):
        line = shlex.join(words)
        words = [
            word.replace("Q1f0c29ab03de", case).replace("/srv/", f"{at_work}/") for word in words
        ]
        program, *arguments = words
        match Path(program).name:
            case "export":
                name, _, value = arguments[0].partition("=")
                if name != "PREFECT_API_URL":  # the tests' own server
                    monkeypatch.setenv(name, value)
            case "panoptes-network":
                _run_ours(line, arguments)
            case "prefect":
                _run_prefect(line, arguments, prefect_api)
            case "make":
                assert f"\n{arguments[0]}:" in (REPOSITORY / "Makefile").read_text(), line
            case "curl" | "python":
                pass  # tests/deployments/services/test_services_docs.py, tests/test_docs.py
            case _:
                pytest.fail(f"{line}: what no test can run stands in ```sh")


def _run_ours(line: str, arguments: list[str]) -> None:
    if arguments[0] in STAYS or arguments[0] in ("deploy", "--install-completion"):
        assert_there(line, arguments)
        return
    at_once = ["--rest", "0"] if arguments[0] == "ingest" else []
    done = CliRunner().invoke(app, [*arguments, *at_once])
    assert done.exit_code in (0, 3), f"{line}\n{done.output}"


def _run_prefect(line: str, arguments: list[str], stack: LocalStack) -> None:
    from prefect.cli._app import _app

    _app.parse_args(arguments, exit_on_error=False, print_error=False)
    if not line.partition("prefect ")[2].startswith(OF_A_SERVER):
        with idle(stack):
            ended = None
            try:
                _app(arguments, exit_on_error=False, print_error=False)
            except SystemExit as done:
                ended = done.code
            assert not ended, line


@contextmanager
def idle(stack: LocalStack) -> Iterator[None]:
    """Runs are made, and nobody runs them: there are tests of the flows themselves."""
    with stack.client() as client:
        before = {run.id for run in client.read_flow_runs()}
        client.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=True))
        try:
            yield
        finally:
            for run in client.read_flow_runs():
                if run.id not in before and run.state and run.state.is_scheduled():
                    client.delete_flow_run(run.id)
            client.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=False))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_that_are_only_named_are_there(page: Path) -> None:
    named = [shlex.split(each, comments=True) for each in INLINE.findall(page.read_text())]
    for program, *arguments in [*blocks(page, "sh"), *named]:
        if Path(program).name == "panoptes-network":
            assert_there(shlex.join(arguments), arguments)


def assert_there(line: str, arguments: list[str]) -> None:
    """The command is one of ours, and takes the options that are named."""
    command: Any = get_command(app)
    rest = list(arguments)
    while rest and hasattr(command, "list_commands") and not rest[0].startswith("-"):
        command = command.get_command(command.context_class(command), rest.pop(0))
        assert command is not None, line
    options = {"--help"}
    for each in command.params:
        options |= {*each.opts, *each.secondary_opts}
    assert {word for word in rest if word.startswith("--")} <= options, line
