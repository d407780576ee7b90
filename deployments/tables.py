"""Tables for people at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from models.ingest import Became, FileResult

STYLE = {
    Became.CATALOGUED: "green",
    Became.FILED: "green",
    Became.ALREADY: "dim",
    Became.QUARANTINED: "yellow",
    Became.FAILED: "bold red",
}
MOST_ROWS = 60
"""More files than this, and only those in trouble get a row each."""


def files_table(results: Sequence[FileResult]) -> Table:
    """What became of each file and where it is; of many files, only those in trouble."""
    trouble = [r for r in results if r.outcome in (Became.QUARANTINED, Became.FAILED)]
    shown = list(results) if len(results) <= MOST_ROWS else trouble[:MOST_ROWS]
    table = Table(title_justify="left", header_style="bold", expand=False)
    table.add_column("file", overflow="fold")
    table.add_column("became", no_wrap=True)
    table.add_column("where, or why not", overflow="fold")
    for result in shown:
        why = result.reason if result in trouble else None
        where = f"{result.location}/{result.path}" if result.path else ""
        table.add_row(
            Text(result.name),
            Text(result.outcome.value, style=STYLE[result.outcome]),
            Text(why or where),
        )
    if len(shown) < len(results):
        table.caption = f"{len(results) - len(shown)} more files"
    return table
