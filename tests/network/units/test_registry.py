"""An operator enters units, and what they say stays."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.documents import GeoPoint
from panoptes.network.errors import ConfigurationError
from panoptes.network.site import Site
from panoptes.network.units.registry import Place, make_folder, register
from tests import sites
from tests.files import IMAGE, LATER, place, tiny_fits

MAUNA_KEA = Place(19.8, -155.5, 4200.0)


def test_what_an_operator_says_stays_whatever_headers_say_before_and_after(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, previews_wanted=False)
    place(sites.incoming(site), f"{LATER}.fits", tiny_fits())
    sites.ingest_all(site)
    assert sites.document(site, "units", "PAN001")["name"] == "Mauna Loa"
    for _ in range(2):
        entered = register(site, "PAN001", name="School", place=MAUNA_KEA, daily_bytes=10**9)
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits({"OBSERVER": "Somebody"}, seed=2))
    sites.ingest_all(site)
    found = sites.document(site, "units", "PAN001")
    assert (found["name"], found["elevation"], found["location"]) == (
        "School",
        4200.0,
        GeoPoint(19.8, -155.5),
    )
    assert found["registered"] == entered["registered"]
    assert found["num_images"] == 2


def test_a_second_call_changes_only_what_it_says(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    register(site, "PAN042", name="School", place=MAUNA_KEA)
    site.catalog.update(
        "units", "PAN042", {"metadata": {"weather": {}}},
        version=site.catalog.get("units", "PAN042").version,  # type: ignore[union-attr]
    )  # fmt: skip
    found = register(site, "PAN042", daily_bytes=5)
    assert (found["name"], found["location"], found["daily_bytes"]) == (
        "School",
        GeoPoint(19.8, -155.5),
        5,
    )
    assert found["metadata"] == {"weather": {}}, "other software's fields stay"


@pytest.mark.parametrize("said", [{"name": "a\udcff"}, {"name": "a\nb"}, {"daily_bytes": 10**23}])
def test_what_no_catalogue_holds_is_refused(tmp_path: Path, said: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        register(Site.in_folder(tmp_path), "PAN042", **said)


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    assert register(site, "PAN042", name="School", dry_run=True)["name"] == "School"
    assert site.catalog.get("units", "PAN042") is None


@pytest.mark.parametrize("unit_id", ["", "PAN42", "PAN0421", "pan042", "../PAN042", "PAN042\n"])
def test_what_is_no_units_id_is_refused(tmp_path: Path, unit_id: str) -> None:
    site = sites.drained(tmp_path)
    for act in (register, make_folder):
        with pytest.raises(ConfigurationError, match="no unit's id"):
            act(site, unit_id)


@pytest.mark.parametrize(
    ("latitude", "longitude", "elevation"),
    [(91.0, 0.0, None), (0.0, 181.0, None), (float("nan"), 0.0, None), (0.0, 0.0, 1e6)],
)
def test_what_is_no_place_on_earth_is_refused(
    latitude: float, longitude: float, elevation: float | None
) -> None:
    with pytest.raises(ConfigurationError):
        Place(latitude, longitude, elevation)


def test_a_unit_has_a_folder_of_its_own_which_stays_when_its_files_are_taken(
    tmp_path: Path,
) -> None:
    site = sites.drained(tmp_path, previews_wanted=False)
    for _ in range(2):
        folder = make_folder(site, "PAN001")
    assert folder == sites.incoming(site) / "PAN001"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2770
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    assert [result.became for result in sites.ingest_all(site)] == ["catalogued"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2770


def test_a_link_in_place_of_a_units_folder_is_refused(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    (sites.incoming(site) / "PAN001").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="is a link"):
        make_folder(site, "PAN001")
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o755


def test_a_users_own_folder_gets_none(tmp_path: Path) -> None:
    assert make_folder(sites.kept(tmp_path), "PAN001") is None
