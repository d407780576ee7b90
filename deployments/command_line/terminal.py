"""Tables and progress for people at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console, Group
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from panoptes.network.amounts import counted
from panoptes.network.catalog.catalog import Stored
from panoptes.network.document_json import document_json
from panoptes.network.ingest.outcome import Became, FileResult
from panoptes.network.safe_text import one_line
from panoptes.network.status_words import observation_status

STYLE = {
    Became.CATALOGUED: "green",
    Became.FILED: "green",
    Became.ALREADY: "dim",
    Became.QUARANTINED: "yellow",
    Became.WAITING: "cyan",
    Became.FAILED: "bold red",
}
MOST_ROWS = 60
"""More files than this, and only those in trouble get a row each."""


def cell(value: object, style: str = "") -> Text:
    """A cell of text that may come from outside, as a terminal can show it."""
    return Text(one_line(value), style=style)


def plain_table(*, head: bool = True) -> Table:
    """A table without rules, narrow enough for a terminal of 80 columns."""
    return Table(
        header_style="bold",
        show_header=head,
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption_justify="left",
    )


def files_table(results: Sequence[FileResult]) -> Group:
    """What became of each file and in which location it is; of many, only those in trouble.

    Below it, why each of these is in trouble, and what to do.
    """
    shown = list(results)
    if len(shown) > MOST_ROWS:
        shown = [r for r in results if r.is_trouble][:MOST_ROWS]
    shown.sort(key=lambda r: _split(r.name))
    table = Table(header_style="bold", caption_justify="left")
    table.add_column("file", overflow="fold")
    table.add_column("became", no_wrap=True)
    table.add_column("in, or why not", overflow="fold")
    folder = None
    for result in shown:
        above, leaf = _split(result.name)
        if above != folder:
            folder = above
            table.add_section()
            table.add_row(cell(folder or ".", style="bold"))
        table.add_row(
            cell(f"  {leaf}"),
            Text(result.became.value, style=STYLE[result.became]),
            cell(result.code or "see below" if result.is_trouble else result.told),
        )
    if len(shown) < len(results):
        table.caption = f"and {counted(len(results) - len(shown), 'more file')}"
    reasons: list[Text | Padding] = []
    for result in shown:
        if result.is_trouble:
            reasons += [cell(result.name, STYLE[result.became]), Padding(cell(result.told), (0, 2))]
    return Group(table, *reasons)


def _split(name: str) -> tuple[str, str]:
    folder, _, leaf = name.rpartition("/")
    return folder, leaf


OBSERVATION = {
    "observation": "sequence_id",
    "field": "field_name",
    "RA": "ra",
    "Dec": "dec",
    "images": "num_images",
    "seconds": "total_exptime",
    "status": "status",
}
"""The columns of a table of observations, and the field that each shows."""
DECIMALS = {"ra": 2, "dec": 2, "total_exptime": 0}


def observations_table(
    documents: Sequence[Stored], *, quiet_hours: float, more: str | None = None
) -> Table:
    """Observations. `more` is said below, and what an observation that is open waits for."""
    table = plain_table()
    for title, name in OBSERVATION.items():
        is_number = name in ("ra", "dec", "num_images", "total_exptime")
        table.add_column(
            title,
            overflow="fold",
            no_wrap=is_number or name == "sequence_id",
            justify="right" if is_number else "left",
        )
    words, now = set(), datetime.now(UTC)
    for document in documents:
        status = observation_status(document.fields, now, quiet_hours)
        words.add(status)
        said = {**document_json(document, "sequence_id"), "status": status}
        table.add_row(*(_observed(name, said.get(name)) for name in OBSERVATION.values()))
    waits = f"open: files may still come; complete after {quiet_hours:g} hours without any"
    table.caption = "\n".join(filter(None, [waits if "open" in words else None, more])) or None
    return table


def _observed(name: str, value: object) -> Text:
    if isinstance(value, float):
        value = f"{value:.{DECIMALS.get(name, 2)}f}"
    return cell("" if value is None else value)


class Rate(ProgressColumn):
    """How many a second, or of what is slower, a minute."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:.1f}/s" if speed >= 1 else f"{60 * speed:.1f}/min", style="dim")


def progress(
    *, quiet: bool = False, transient: bool = False, console: Console | None = None
) -> Progress:
    """What is being done, how much of it, how quickly and for how long, where somebody looks on.

    On standard error, or on `console`, where what has been done is said in any case.
    """
    on_errors = Console(stderr=True)
    return Progress(
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", max_width=36),
        ),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        console=console or on_errors,
        disable=quiet or (console is None and not on_errors.is_terminal),
        transient=transient,
        expand=True,
    )
