"""Tables for people at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from panoptes.network.catalog.catalog import Query
from panoptes.network.ingest.outcome import Became, FileResult
from panoptes.network.safe_text import one_line
from panoptes.network.site import Site

STYLE = {
    Became.CATALOGUED: "green",
    Became.FILED: "green",
    Became.ALREADY: "dim",
    Became.QUARANTINED: "yellow",
    Became.WAITING: "cyan",
    Became.FAILED: "bold red",
}
TROUBLE = (Became.QUARANTINED, Became.WAITING, Became.FAILED)
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


def observations_table(site: Site) -> Table:
    """The catalogue's observations, the newest first."""
    table = Table(header_style="bold")
    table.add_column("observation", no_wrap=True)
    for column in ("field", "status"):
        table.add_column(column, overflow="fold")
    table.add_column("images", justify="right")
    table.add_column("exposure, s", justify="right")
    newest = Query("observations", order_by=[("time", "desc")], limit=MOST_ROWS)
    for stored in site.catalog.query(newest):
        known = stored.fields
        table.add_row(
            cell(stored.key),
            cell(known.get("field_name", "")),
            cell(known.get("status", "")),
            cell(known.get("num_images", "")),
            cell(known.get("total_exptime", "")),
        )
    return table
