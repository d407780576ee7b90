"""What a run that made light curves shows in the Prefect UI, as Markdown."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from flows.markdown_parts import linked, table
from panoptes.network.nights.svg import as_file, figure, in_words, svg
from panoptes.network.processing.process import Processed
from panoptes.network.safe_text import markdown
from panoptes.network.site import Site

MOST_LEFT_OUT = 100
TICKS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)
"""Millimagnitudes."""


def light_curves_markdown(site: Site, made: Processed) -> str:
    """How many stars were measured, how well, and what was left out."""
    return "\n\n".join(_parts(site, made)) + "\n"


def _parts(site: Site, made: Processed) -> Iterator[str]:
    yield f"# Light curves of {markdown(made.sequence_id)}"
    yield (
        f"{made.stars} stars in {made.frames} images, in `{made.path}` of the measurements: "
        f"{linked(site, 'observations', made.sequence_id, made.sequence_id)}."
    )
    if made.scatter:
        plot = scatter_plot(made)
        encoded = base64.b64encode(as_file(plot)).decode("ascii")
        yield f"![{markdown(in_words(plot))}](data:image/svg+xml;base64,{encoded})"
    rows = [
        (f"{each.g:.1f}", str(each.stars), f"{1000 * each.scatter:.1f}", f"{1000 * each.error:.1f}")
        for each in made.scatter
    ]
    yield table("By magnitude, all colours, mmag", ("G", "stars", "scatter", "error"), rows)
    if made.left_out:
        left = [(each.image_id, markdown(each.reason)) for each in made.left_out[:MOST_LEFT_OUT]]
        yield table("Left out", ("image", "why"), left)


def scatter_plot(made: Processed) -> str:
    """Scatter of the stars against their magnitude, and the errors that are reported, as SVG."""
    g = [each.g for each in made.scatter]
    scatter = [1000 * each.scatter for each in made.scatter]
    error = [1000 * each.error for each in made.scatter]
    told = "; ".join(
        f"G {each.g:.1f}: {1000 * each.scatter:.1f} mmag of {each.stars} stars"
        for each in made.scatter
    )
    with figure(280, left=70) as axes:
        axes.plot(g, scatter, marker="o", ls="", label="scatter")
        axes.plot(g, error, label="reported error")
        axes.set_yscale("log")
        shown = [tick for tick in TICKS if min(*scatter, *error) / 2 < tick < 2 * max(scatter)]
        axes.set_yticks(shown, [str(tick) for tick in shown])
        axes.set_yticks([], minor=True)
        axes.set_xlabel("G")
        axes.set_ylabel("mmag")
        axes.legend(frameon=False)
        return svg(axes, "scatter", "Scatter against magnitude", told)
