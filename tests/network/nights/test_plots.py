"""Plots are put into any page as they are, and are told to who cannot see them."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from panoptes.network.nights import UnitNight, unit_night
from panoptes.network.nights.plots import lag_plot, sky_plot, timeline
from panoptes.network.nights.unit_night import Sky
from panoptes.network.site import Site
from tests.network.nights.simulated import NIGHT, OBSERVING, SILENT

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def night(archive: Site) -> UnitNight:
    return unit_night(archive, OBSERVING, NIGHT)


@pytest.mark.parametrize("plot", [timeline, sky_plot, lag_plot])
def test_a_plot_needs_nothing_from_elsewhere_and_no_style_of_its_own(
    plot: type, night: UnitNight
) -> None:
    drawn = plot(night)
    root = ElementTree.fromstring(drawn)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    named = {each.get("id"): each.text for each in root if each.text}
    for label in (root.get("aria-labelledby") or "").split():
        assert named[label]
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in {
            "svg", "title", "desc", "g", "defs", "path", "use", "text", "clipPath", "rect"
        }  # fmt: skip
        assert "style" not in element.attrib
    addresses = set(re.findall(r"https?://[^\"' ]+", drawn))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "#010203" not in drawn


def test_plots_of_one_page_share_no_id(night: UnitNight, archive: Site) -> None:
    plots = [timeline(night), sky_plot(night), lag_plot(night)]
    plots.append(timeline(unit_night(archive, SILENT, NIGHT)))
    ids = [found for plot in plots for found in re.findall(r'\bid="([^"]+)"', plot)]
    assert len(ids) == len(set(ids))


def test_who_cannot_see_the_timeline_is_told_it(night: UnitNight) -> None:
    description = ElementTree.fromstring(timeline(night)).find(f"{SVG}desc")
    assert description is not None
    assert "Camera 0a5ee1: 7 exposures from 06:00 to" in (description.text or "")
    assert "1 long gap, up to 264 s." in (description.text or "")
    assert "1 file in quarantine" in (description.text or "")


def test_text_from_outside_is_text(night: UnitNight) -> None:
    hostile = "$x$</text><script>alert(1)</script>\x1b"
    exposures = tuple(replace(each, camera_id=hostile) for each in night.exposures)
    silent = replace(night, exposures=(), cases=(), reasons=(hostile,))
    for plot in (timeline(replace(night, exposures=exposures)), timeline(silent)):
        assert "<script" not in plot
        assert "\x1b" not in plot
        ElementTree.fromstring(plot)


def test_what_nobody_knows_is_not_drawn(night: UnitNight) -> None:
    assert sky_plot(replace(night, sky=Sky())) == ""
    assert lag_plot(replace(night, lag={})) == ""
