"""What a run that made light curves shows in the Prefect UI, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from flows.artifacts.markdown_parts import linked, picture, table
from panoptes.network.light_curves.plots import scatter_plot
from panoptes.network.light_curves.summaries import by_magnitude
from panoptes.network.processing.process import Processed
from panoptes.network.processing.stored_curves import open_curves, stars_of
from panoptes.network.safe_text import markdown
from panoptes.network.site import Site

MOST_LEFT_OUT = 100


def light_curves_markdown(site: Site, made: Processed) -> str:
    """How many stars were measured, how well, and what was left out."""
    return "\n\n".join(_parts(site, made)) + "\n"


def _parts(site: Site, made: Processed) -> Iterator[str]:
    yield f"# Light curves of {markdown(made.sequence_id)}"
    yield (
        f"{made.stars} stars in {made.frames} images, in `{made.path}` of the measurements: "
        f"{linked(site, 'observations', made.sequence_id, made.sequence_id)}."
    )
    stars = stars_of(open_curves(site, made.sequence_id))
    yield picture(scatter_plot(stars))
    rows = [
        (f"{each.g:.1f}", str(each.stars), f"{1000 * each.scatter:.1f}", f"{1000 * each.error:.1f}")
        for each in by_magnitude(stars)
    ]
    yield table("By magnitude, all colours, mmag", ("G", "stars", "scatter", "error"), rows)
    if made.left_out:
        left = [(each.image_id, markdown(each.reason)) for each in made.left_out[:MOST_LEFT_OUT]]
        yield table("Left out", ("image", "why"), left)
