"""What the demo's night shows, without the stack around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from deployments.command_line.demo import NIGHT, places_of
from panoptes.network.catalog.catalog import Query
from panoptes.network.processing.process import process
from panoptes.network.processing.stored_curves import open_curves
from panoptes.network.processing.transit_search import search_observation
from panoptes.network.settings import LOCATIONS
from tests import sites


def test_it_tells_where_everything_lies_light_curves_among_it(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    places = places_of(site, tmp_path)
    assert places["measurements"] == site.settings.measurements is not None
    assert set(places) == {*LOCATIONS, "measurements", "catalogue", "logs"}
    assert "measurements" not in places_of(site.changed(measurements=None), tmp_path)


def test_its_images_are_solved_and_its_transit_is_found_in_light_curves(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    night = replace(NIGHT, cameras=1)
    night.send(sites.incoming(site))
    sites.ingest_all(site)
    images = [stored.fields for stored in site.catalog.query(Query("images"))]
    assert len(images) == night.images + 1, "one more in the older path"
    assert all(image["solution"]["matched"] > 30 for image in images)
    made = process(site, night.sky(0, 0, 0).sequence_id)
    assert (made.frames, made.left_out) == (len(images), [])
    (found,) = search_observation(open_curves(site, made.sequence_id)).found
    assert found.star_id == night.dipping()
