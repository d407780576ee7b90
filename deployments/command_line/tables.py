"""Tables and progress for people at a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from panoptes.network.ingest.outcome import TROUBLE, Became, FileResult
from panoptes.network.safe_text import one_line

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


def files_table(results: Sequence[FileResult]) -> Table:
    """What became of each file and in which location it is; of many, only those in trouble."""
    shown = list(results)
    if len(shown) > MOST_ROWS:
        shown = [r for r in results if r.became in TROUBLE][:MOST_ROWS]
    table = Table(header_style="bold", caption_justify="left")
    table.add_column("file", overflow="fold")
    table.add_column("became", no_wrap=True)
    table.add_column("in, or why not", overflow="fold")
    folder = None
    for result in sorted(shown, key=lambda r: _split(r.name)):
        above, leaf = _split(result.name)
        if above != folder:
            folder = above
            table.add_section()
            table.add_row(cell(folder or ".", style="bold"))
        table.add_row(
            cell(f"  {leaf}"),
            Text(result.became.value, style=STYLE[result.became]),
            cell(result.told),
        )
    if len(shown) < len(results):
        table.caption = f"and {len(results) - len(shown)} more files"
    return table


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


def observations_table(rows: Sequence[Mapping[str, object]]) -> Table:
    """Observations as `document_json` gives them."""
    # Narrow enough for a terminal of 80 columns.
    table = Table(header_style="bold", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for title, name in OBSERVATION.items():
        is_number = name in ("ra", "dec", "num_images", "total_exptime")
        table.add_column(
            title,
            overflow="fold",
            no_wrap=is_number or name == "sequence_id",
            justify="right" if is_number else "left",
        )
    for row in rows:
        said = {**row, "status": str(row.get("status") or "").replace("_", " ")}
        values = (said.get(name) for name in OBSERVATION.values())
        shown = (f"{x:.2f}" if isinstance(x, float) else "" if x is None else x for x in values)
        table.add_row(*map(cell, shown))
    return table


def progress(*, quiet: bool = False, transient: bool = False) -> Progress:
    """What is being done, how much of it and for how long, where somebody looks on."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=transient,
    )
