"""What `panoptes-network audit` does: findings as they come, progress, and the exit code."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deployments.command_line.choosing import choose_network
from deployments.command_line.exit_codes import FAILED, NOT_ALL, OK
from panoptes.network.audit import audit
from panoptes.network.audit.asides import waiting_now
from panoptes.network.audit.finding import Waiting
from panoptes.network.audit.repair import Result, Tally, audit_and_repair
from panoptes.network.audit.scope import Scope
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.take import Calls
from panoptes.network.safe_text import one_line
from panoptes.network.site import Site
from panoptes.network.storage.store import Unreadable

_STYLE = {"error": "bold red", "warning": "yellow"}


def run(
    data: Path | None,
    network: str | None,
    *,
    night: str | None,
    unit: str | None,
    deep: bool,
    repair: bool,
    truth: Path | None,
    as_json: bool,
) -> int:
    """Audit, tell the user, and give the exit code."""
    if as_json:
        logging.disable(logging.CRITICAL)  # standard error is for one sentence, if any
    tell: _Json | _Text = _Json() if as_json else _Text()
    counts = Tally()
    try:
        if truth is not None and not truth.expanduser().is_file():
            raise ConfigurationError(f"there is no file {truth}")
        scope = _scope(night, unit)
        site = choose_network(data, network)
        site.check()
        with closing(site.catalog), _progress(quiet=as_json) as watch:
            for result in _results(site, night, unit, deep, repair, truth, watch):
                counts.add(result)
                tell.result(result)
            waiting = waiting_now(site, scope)
    except (ConfigurationError, TransientError, Unreadable) as error:
        tell.end(counts, None, error=str(error))
        sys.stderr.write(f"panoptes-network audit: {one_line(error)}\n")
        return FAILED
    finally:
        logging.disable(logging.NOTSET)
    tell.end(counts, waiting)
    return NOT_ALL if counts.left else OK


def _scope(night: str | None, unit: str | None) -> Scope:
    try:
        return Scope.of(night, unit)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def _results(
    site: Site,
    night: str | None,
    unit: str | None,
    deep: bool,
    repair: bool,
    truth: Path | None,
    watch: Callable[[str], None],
) -> Iterator[Result]:
    uploads = truth.expanduser() if truth else None
    findings = audit(site, night=night, unit=unit, deep=deep, truth=uploads, watch=watch)
    if repair:
        return audit_and_repair(site, findings, deep=deep, steps=Calls(site))
    return (Result(finding) for finding in findings)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    columns = (
        SpinnerColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    console = Console(stderr=True)
    disabled = quiet or not console.is_terminal
    with Progress(*columns, console=console, disable=disabled, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what: bar.update(task, advance=1, description=what)


class _Json:
    """One JSON object, written finding by finding: there may be many."""

    def __init__(self) -> None:
        self._begun = False

    def result(self, result: Result) -> None:
        sys.stdout.write(",\n" if self._begun else '{"findings": [\n')
        self._begun = True
        sys.stdout.write(" " + json.dumps(result.finding.row() | {"mended": result.mended}))

    def end(self, counts: Tally, waiting: Waiting | None, error: str | None = None) -> None:
        sys.stdout.write("\n]" if self._begun else '{"findings": []')
        rest: dict[str, object] = {"counts": counts.as_json()}
        if waiting:
            rest["waiting"] = asdict(waiting)
        if error:
            rest["error"] = error
        sys.stdout.write(f", {json.dumps(rest)[1:]}\n")


class _Text:
    """A few lines a finding, for people."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True)

    def result(self, result: Result) -> None:
        finding = result.finding
        self._print(f"{finding.severity}: {finding.kind.value}", _STYLE[finding.severity])
        self._print(f"  {finding.location}: {finding.name}")
        self._print(f"  {finding.sentence}")
        if result.mended:
            self._print("  Mended.", "green")
        elif finding.does:
            self._print(f"  --repair: {finding.does}", "dim")

    def end(self, counts: Tally, waiting: Waiting | None, error: str | None = None) -> None:
        if waiting is not None and error is None:
            self._print(f"{counts.sentence}; {waiting.sentence}", "bold")

    def _print(self, text: str, style: str | None = None) -> None:
        self._console.print(one_line(text), style=style, markup=False, highlight=False)
