"""What exposures are for: all are archived and catalogued, and only lights are counted."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.audit import audit
from panoptes.network.audit.finding import Kind
from panoptes.network.search import Wanted, all_images, all_observations
from panoptes.network.site import Site
from tests import sites
from tests.files import UPLOADED, jpeg, mp4, place, tiny_cr2, tiny_fits

SEQ = "20260612T083011"
CCD = "310d1f0f00070900"

CCD_CARDS: dict[str, Any] = {
    "FILTER": "M",
    "MEASRGGB": None,
    "ISO": None,
    "IMAGETYP": "Light Frame",
    "DATE-OBS": "2026-06-12T08:32:14.123",
    "CCD-TEMP": -10.1,
    "SET-TEMP": -10.0,
    "COOL-POW": 45.0,
    "EGAIN": 1.25,
    "CAM-GAIN": 139,
    "BITDEPTH": 14,
    "XPIXSZ": 4.63,
    "YPIXSZ": 4.63,
    "CAM-NAME": "Cam01",
    "CAM-MOD": "ZWO ASI294MM Pro",
    "CAM-ID": CCD,
    "HIERARCH IS_PRIMARY": True,
    "FOC-POS": 20010,
    "INSTRUME": CCD,
    "TAGS": "exoplanet,tabby_star",
    "QUALITY": "BAD",
    "FIELD": "HD 189733",
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(tmp_path)


def upload(site: Site, folder: str, time: str, data: bytes | None = None, **cards: Any) -> None:
    made = tiny_fits(cards, seed=len(folder) + int(time)) if data is None else data
    place(sites.incoming(site), f"PAN001/{folder}/20260612T{time}.fits", made)


def of_type(site: Site) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for observation in all_observations(site.catalog, Wanted(image_types=None)):
        for image in all_images(site.catalog, observation.key, image_types=None):
            kind = image.fields["image_type"]
            kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def test_only_lights_count_and_are_found_unless_one_asks_for_more(site: Site) -> None:
    upload(site, f"Hd189733/{CCD}/{SEQ}", "083214", **CCD_CARDS)
    upload(site, f"Hd189733/{CCD}/{SEQ}", "083414", **CCD_CARDS)
    place(sites.incoming(site), f"PAN001/Hd189733/{CCD}/{SEQ}/pointing00.fits", tiny_fits(seed=8))
    upload(site, f"dark/{CCD}/20260612T093011", "093011", IMAGETYP="Dark Frame")
    upload(site, f"bias/{CCD}/20260612T093511", "093511", IMAGETYP="Dark Frame")
    upload(site, f"Eveningflat/{CCD}/20260612T030000", "030000", IMAGETYP="Light Frame")
    upload(site, "Polaralignment/14d3bd/20260612T040000", "040000")
    focus = f"PAN001/focus/{CCD}/20260612T050000/19960-00.fits"
    place(sites.incoming(site), focus, tiny_fits(seed=9))
    assert {r.became for r in sites.run(site).values()} == {"catalogued"}

    assert of_type(site) == {
        "light": 2, "pointing": 1, "dark": 1, "bias": 1, "flat": 1, "alignment": 1, "focus": 1,
    }  # fmt: skip
    found = list(all_observations(site.catalog, Wanted()))
    assert [each.key for each in found] == [f"PAN001_{CCD}_{SEQ}"]
    assert found[0].fields["num_images"] == 2
    assert [i.key for i in all_images(site.catalog, found[0].key)] == [
        f"PAN001_{CCD}_20260612T083214",
        f"PAN001_{CCD}_20260612T083414",
    ]
    unit = sites.document(site, "units", "PAN001")
    assert (unit["num_images"], unit["num_observations"]) == (2, 1)
    darks = list(all_observations(site.catalog, Wanted(image_types=frozenset({"dark", "bias"}))))
    assert sorted(each.fields["image_type"] for each in darks) == ["bias", "dark"]
    assert list(audit(site, deep=True)) == []


@pytest.mark.parametrize(
    ("folder", "cards", "kind"),
    [
        ("M42", {"IMAGETYP": "Dark Frame"}, "dark"),
        ("M42", {"IMAGETYP": "Bias Frame"}, "bias"),
        ("M42", {"IMAGETYP": "flat"}, "flat"),
        ("M42", {"IMAGETYP": "Light Frame"}, "light"),
        ("M42", {"IMAGETYP": "LIGHT"}, "light"),
        ("M42", {}, "light"),
        ("M42", {"IMAGETYP": "nonsense"}, "light"),
        ("bias", {"IMAGETYP": "Dark Frame"}, "bias"),
        ("Eveningflat", {"IMAGETYP": "Light Frame"}, "flat"),
        ("", {"FIELD": "EveningFlat"}, "flat"),
        ("", {"FIELD": "dark"}, "dark"),
        ("", {"FIELD": "Darkhorse"}, "light"),
    ],
)
def test_the_folder_the_card_and_the_field_say_what_it_is_for(
    site: Site, folder: str, cards: dict[str, Any], kind: str
) -> None:
    upload(site, f"{folder}/14d3bd/{SEQ}".lstrip("/"), "083214", **cards)
    sites.run(site)
    assert of_type(site) == {kind: 1}


@pytest.mark.parametrize("raw_first", [True, False])
def test_a_camera_raw_that_says_nothing_does_not_make_a_dark_a_light(
    site: Site, raw_first: bool
) -> None:
    stem = f"PAN001/14d3bd/{SEQ}/20260612T083214"
    files = {f"{stem}.cr2": tiny_cr2(), f"{stem}.fits": tiny_fits({"FIELD": "dark"})}
    for name in sorted(files, reverse=not raw_first):
        place(sites.incoming(site), name, files[name])
        sites.run(site)
    assert of_type(site) == {"dark": 1}
    assert sites.document(site, "observations", f"PAN001_14d3bd_{SEQ}")["num_images"] == 0


def test_the_cards_of_a_ccd_camera_are_in_the_documents(site: Site) -> None:
    upload(site, f"Hd189733/{CCD}/{SEQ}", "083214", **CCD_CARDS)
    sites.run(site)
    image = sites.document(site, "images", f"PAN001_{CCD}_20260612T083214")
    wanted = {
        "image_type": "light",
        "imagetyp": "Light Frame",
        "dateobs": "2026-06-12T08:32:14.123",
        "camtemp": -10.1,
        "settemp": -10.0,
        "coolpow": 45.0,
        "egain": 1.25,
        "gain": 139.0,
        "bitdepth": 14,
        "xpixsz": 4.63,
        "ypixsz": 4.63,
        "focpos": 20010.0,
        "quality": "BAD",
    }
    assert {name: image.get(name) for name in wanted} == wanted
    observation = sites.document(site, "observations", f"PAN001_{CCD}_{SEQ}")
    assert observation["tags"] == ["exoplanet", "tabby_star"]
    assert observation["field_name"] == "HD 189733"
    camera = sites.document(site, "cameras", f"PAN001_{CCD}")
    assert (camera["name"], camera["model"], camera["is_primary"], camera["serial_number"]) == (
        "Cam01", "ZWO ASI294MM Pro", True, CCD,
    )  # fmt: skip


def test_observations_are_found_by_their_tags(site: Site) -> None:
    upload(site, f"A/14d3bd/{SEQ}", "083214", TAGS="exoplanet, Tabby_Star")
    upload(site, "B/14d3bd/20260612T093011", "093011", TAGS="")
    sites.run(site)

    def found(*tags: str) -> list[str]:
        wanted = Wanted(tags=frozenset(tags))
        return [each.key for each in all_observations(site.catalog, wanted)]

    assert found("tabby_star") == [f"PAN001_14d3bd_{SEQ}"]
    assert found("exoplanet", "tabby_star") == [f"PAN001_14d3bd_{SEQ}"]
    assert found("exoplanet", "other") == []
    assert len(found()) == 2


def test_a_frame_without_colours_has_a_grey_preview(site: Site) -> None:
    from PIL import Image, ImageChops

    upload(site, f"Hd189733/{CCD}/{SEQ}", "083214", **CCD_CARDS)
    sites.run(site)
    path = f"previews/PAN001/{CCD}/{SEQ}/20260612T083214.preview-1024.jpg"
    picture = Image.open(io.BytesIO(sites.objects(site, "previews")[path]))
    red, green, blue = picture.convert("RGB").split()
    assert not ImageChops.difference(red, green).getbbox()
    assert not ImageChops.difference(green, blue).getbbox()


@pytest.mark.parametrize("picture_first", [True, False])
def test_the_units_own_picture_and_film_are_linked(site: Site, picture_first: bool) -> None:
    stem = f"PAN001/Hd189733/14d3bd/{SEQ}/20260612T083214"

    def pictures() -> None:
        place(sites.incoming(site), f"{stem}.jpg", jpeg())
        film = f"PAN001/Hd189733/14d3bd/{SEQ}/Hd189733_14d3bd_{SEQ}.mp4"
        place(sites.incoming(site), film, mp4())
        sites.run(site)

    if picture_first:
        pictures()
    place(sites.incoming(site), f"{stem}.cr2", tiny_cr2())
    place(sites.incoming(site), f"{stem}.fits", tiny_fits())
    sites.run(site)
    if not picture_first:
        pictures()
    image = sites.document(site, "images", "PAN001_14d3bd_20260612T083214")
    assert image["picture_path"] == f"PAN001/14d3bd/{SEQ}/20260612T083214.jpg"
    observation = sites.document(site, "observations", f"PAN001_14d3bd_{SEQ}")
    assert observation["timelapse_path"] == f"PAN001/14d3bd/{SEQ}/{SEQ}.mp4"
    assert list(audit(site, deep=True)) == []


def test_a_picture_of_a_focus_run_is_filed(site: Site) -> None:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (20, 10), 90).save(buffer, "PNG")
    name = f"PAN001/focus/14d3bd/{SEQ}/fine-focus.png"
    place(sites.incoming(site), name, buffer.getvalue())
    cut = f"PAN001/focus/14d3bd/{SEQ}/coarse-focus.png"
    place(sites.incoming(site), cut, buffer.getvalue()[:-20])
    results = sites.run(site)
    assert results[name].became == "filed"
    assert results[name].path == f"PAN001/14d3bd/{SEQ}/fine-focus.png"
    assert sites.outcomes(results)[cut] == "quarantined: truncated-file"


def test_an_observation_whose_only_light_becomes_a_dark_is_found_no_more(site: Site) -> None:
    name = f"PAN001/14d3bd/{SEQ}/20260612T083214.fits"
    place(sites.incoming(site), name, tiny_fits())
    sites.run(site)
    dark = tiny_fits({"IMAGETYP": "Dark Frame", "EXPTIME": 3.0, "FIELD": "lid"})
    place(sites.incoming(site), name, dark, moment=UPLOADED + timedelta(hours=1))
    assert sites.run(site)[name].became == "catalogued"
    assert list(all_observations(site.catalog, Wanted())) == []
    observation = sites.document(site, "observations", f"PAN001_14d3bd_{SEQ}")
    assert observation["image_type"] == "dark"
    assert (observation["exptime"], observation["field_name"]) == (3.0, "lid")
    unit = sites.document(site, "units", "PAN001")
    assert (unit["num_images"], unit["num_observations"]) == (0, 0)
    assert list(audit(site, deep=True)) == []


@pytest.mark.parametrize("first", [0, 1])
def test_the_film_of_an_observation_does_not_hang_on_the_order(site: Site, first: int) -> None:
    folder = f"PAN001/M42/14d3bd/{SEQ}"
    films = [f"{folder}/timelapse.mp4", f"{folder}/M42_14d3bd_{SEQ}.mp4"]
    for name in (films[first], films[1 - first]):
        place(sites.incoming(site), name, mp4(picture=name.encode()))
        place(sites.incoming(site), f"{folder}/20260612T083214.fits", tiny_fits())
        sites.run(site)
    observation = sites.document(site, "observations", f"PAN001_14d3bd_{SEQ}")
    assert observation["timelapse_path"] == f"PAN001/14d3bd/{SEQ}/{SEQ}.mp4"


@pytest.mark.parametrize("first", [0, 1])
def test_the_picture_of_a_frame_without_a_time_is_linked(site: Site, first: int) -> None:
    stem = f"PAN001/14d3bd/{SEQ}/pointing00"
    files = [(f"{stem}.fits", tiny_fits()), (f"{stem}.jpg", jpeg())]
    for name, data in (files[first], files[1 - first]):
        place(sites.incoming(site), name, data)
        sites.run(site)
    image = sites.document(site, "images", f"PAN001_14d3bd_{SEQ}-pointing00")
    assert image["picture_path"] == f"{stem}.jpg"


def test_foreign_documents_of_any_type_break_no_search(site: Site) -> None:
    upload(site, f"A/14d3bd/{SEQ}", "083214")
    sites.run(site)
    moment = sites.document(site, "observations", f"PAN001_14d3bd_{SEQ}")["time"]
    strange = {"time": moment, "image_type": ["a"], "unit_id": {"a": 1}, "camera_id": ["b"]}
    site.catalog.create("observations", "strange", strange)
    assert len(list(all_observations(site.catalog, Wanted()))) == 2
    wanted = Wanted(unit_ids=frozenset({"PAN001"}), camera_ids=frozenset({"14d3bd", "x"}))
    assert len(list(all_observations(site.catalog, wanted))) == 1


@pytest.mark.parametrize("camera", ["A_B", "A_2018B", "A_1", "AB", "A b"])
def test_the_audit_sees_a_camera_whose_name_begins_with_anothers(site: Site, camera: str) -> None:
    for each in ("A", camera):
        upload(site, f"M42/{each}/{SEQ}", "083214")
    sites.run(site)
    assert list(audit(site, deep=True)) == []
    path = f"PAN001/{camera}/{SEQ}/20260612T083214.fits.fz"
    site.store("images").delete(path)
    preview = f"PAN001/{camera}/{SEQ}/20260612T083214.preview-1024.jpg"
    site.store("previews").delete(preview)
    found = {(finding.kind, finding.name) for finding in audit(site)}
    assert (Kind.OBJECT_MISSING, path) in found
    assert all(f"/{camera}/" in name for _, name in found)
