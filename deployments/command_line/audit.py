"""`panoptes-network audit`: findings, progress, and the exit code."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deployments.command_line.choosing import AsJson, Data, Network, Night, Unit, choose_network
from deployments.command_line.telling import FAILED, NOT_ALL, OK, JsonRows, complain
from deployments.command_line.terminal import progress
from panoptes.network import audit as auditing
from panoptes.network.audit.asides import waiting_now
from panoptes.network.audit.finding import Kind, Waiting
from panoptes.network.audit.repair import Result, Tally, audit_and_repair
from panoptes.network.audit.scope import Scope
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.take import Calls
from panoptes.network.safe_text import one_line
from panoptes.network.storage.store import Unreadable

_STYLE = {"error": "bold red", "warning": "yellow"}
_MOST_HELD = 1_000
"""Errors that are held back; with more, the rest come as they are found."""

app = typer.Typer()


@app.command()
def audit(
    data: Data = None,
    network: Network = None,
    night: Night = None,
    unit: Unit = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every object back and compare its checksum.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Mend what is safe to mend; nothing is removed that is not replaced."
        ),
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Compare with what was uploaded: the list that 'simulate --truth' wrote.",
            dir_okay=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Compare buckets and catalogue in both directions, and list what is wrong.

    Safe to run at any time. Exits with 0 if nothing is wrong or all of it was mended, 3 if
    something is left, 1 if the audit could not be done.
    """
    if as_json:
        logging.disable(logging.CRITICAL)  # standard error is for one sentence, if any
    tell: _Json | _Text = _Json() if as_json else _Text()
    counts = Tally()
    try:
        uploads = truth.expanduser() if truth else None
        if uploads is not None and not uploads.is_file():
            raise ConfigurationError(f"there is no file {truth}")
        scope = _scope(night, unit)
        site = choose_network(data, network)
        site.check()
        with site, progress(quiet=as_json, transient=True) as bar:
            task = bar.add_task("", total=None)
            findings = auditing.audit(
                site,
                night=night,
                unit=unit,
                deep=deep,
                truth=uploads,
                watch=lambda what: bar.update(task, advance=1, description=what),
            )
            results = (
                audit_and_repair(site, findings, deep=deep, steps=Calls(site))
                if repair
                else map(Result, findings)
            )
            try:
                for result in results:
                    counts.add(result)
                    tell.result(result)
            finally:  # whoever breaks it off sees what was found
                tell.rest()
            waiting = waiting_now(site, scope)
    except (ConfigurationError, TransientError, Unreadable) as error:
        tell.end(counts, None, error=str(error))
        complain("audit", error)
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


class _Json:
    """One JSON object, written finding by finding."""

    def __init__(self) -> None:
        self._rows = JsonRows("findings")

    def result(self, result: Result) -> None:
        self._rows.row(result.finding.row() | {"mended": result.mended})

    def rest(self) -> None:
        """Nothing was held back."""

    def end(self, counts: Tally, waiting: Waiting | None, error: str | None = None) -> None:
        rest: dict[str, object] = {"counts": counts.as_json()}
        if waiting:
            rest["waiting"] = asdict(waiting)
        if error:
            rest["message"] = error
        self._rows.end(rest, success=not error)


class _Text:
    """A few lines a finding, for people: the errors that are left at the end, where they are seen.

    After a restore every object has moved, which is a line for each location.
    """

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True)
        self._errors: list[Result] = []
        self._moved: Counter[tuple[str, bool]] = Counter()

    def result(self, result: Result) -> None:
        finding = result.finding
        if finding.kind is Kind.OBJECT_MOVED:
            self._moved[finding.location, result.mended] += 1
        elif finding.severity == "error" and not result.mended and len(self._errors) < _MOST_HELD:
            self._errors.append(result)
        else:
            self._show(result)

    def rest(self) -> None:
        """What was held back: what has moved, then the errors."""
        for (location, mended), count in sorted(self._moved.items()):
            objects = "1 object was" if count == 1 else f"{count} objects were"
            does = "mended" if mended else "--repair writes that into the ledger, --json lists them"
            said = (
                f"{location}: {objects} written anew with the same bytes, as from a backup; {does}"
            )
            self._print(f"warning: object-moved: {said}", "green" if mended else _STYLE["warning"])
        for result in self._errors:
            self._show(result)

    def _show(self, result: Result) -> None:
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
