"""SIA 2.0 over HTTP: as pyvo asks, and as a program that makes mistakes does."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import votable
from astropy.io.votable.tree import VOTableFile
from astropy.time import Time

from panoptes.network.image_access.regions import to_place
from panoptes.network.plate_solving.wcs import fit, from_plane
from panoptes.network.site import Site
from tests.archives import SEQUENCE_ID, small_archive
from tests.deployments.services.served import served
from tests.patience import PATIENT_SECONDS

FIRST = "PAN001_14d3bd_20180216T112430"
SECOND = "PAN001_14d3bd_20180216T112630"
AT_THE_POLE = "PAN012_358d0f_20180822T040013"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Of M42's two images the second has a solution: 15 x 10 degrees, its middle at 85, -4."""
    site = small_archive(tmp_path_factory.mktemp("archive"))
    x, y = (
        each.ravel()
        for each in np.meshgrid(np.arange(0.0, 5208.0, 400), np.arange(0.0, 3476.0, 400))
    )
    xi, eta = (x - 2603.5) * -10.3 / 3600, (y - 1737.5) * 10.3 / 3600
    ra, dec = from_plane(xi, eta, (85.0, -4.0))
    wcs = fit(x, y, ra, dec, shape=(3476, 5208), order=2, near=(85.0, -4.0))
    stored = site.catalog.get("images", SECOND)
    assert stored is not None
    solved = {
        "solution": {"ra": 85.0, "dec": -4.0, "wcs": wcs.cards()},
        "measured": {"fwhm": 2.0, "stars": 700},
    }
    site.catalog.update("images", SECOND, solved, version=stored.version)
    return site


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with served(site, files="archive") as client:
        yield client


def read(answer: httpx.Response) -> VOTableFile:
    """The table, if it is one without any fault."""
    assert answer.headers["content-type"].startswith("application/x-votable+xml")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return votable.parse(io.BytesIO(answer.content), verify="exception")


def statuses(answer: httpx.Response) -> list[tuple[str, str]]:
    infos = read(answer).resources[0].infos
    return [(each.value, each.content or "") for each in infos if each.name == "QUERY_STATUS"]


def found(client: httpx.Client, *given: tuple[str, Any], method: str = "GET") -> list[str]:
    """The ids of the images."""
    send: Any = {"data": dict(given)} if method == "POST" else {"params": list(given)}
    answer = client.request(method, "/sia2/query", **send)
    assert answer.status_code == 200, answer.text
    assert statuses(answer)[0][0] == "OK"
    rows = read(answer).get_first_table().to_table()
    return [str(each).partition("?")[2] for each in rows["obs_publisher_did"]]


def test_pyvo_finds_images_and_fetches_one(client: httpx.Client) -> None:
    import pyvo

    service = pyvo.dal.SIA2Service(f"{client.base_url}/sia2")
    night = (Time("2018-02-16T00:00:00"), Time("2018-02-17T00:00:00"))
    result = service.search(pos=(85.0, -4.0, 0.5), time=night)
    assert [each.instrument_name for each in result] == ["14d3bd", "14d3bd"]
    solved = result[1]
    assert (solved["s_ra"], solved["s_dec"]) == (85.0, -4.0)
    assert solved["s_fov"] == pytest.approx(17.8, abs=0.1)
    assert solved["s_resolution"] == pytest.approx(20.6, abs=0.1)
    assert (solved["s_xel1"], solved["s_xel2"]) == (5208, 3476)
    assert solved["target_name"] == "M42"
    assert solved["obs_id"] == SEQUENCE_ID
    assert Time(solved["t_min"], format="mjd").isot == "2018-02-16T11:26:30.000"
    unsolved = result[0]
    assert (unsolved["s_ra"], unsolved["s_dec"]) == (83.8, -5.4)
    assert not unsolved["s_region"]
    assert np.ma.is_masked(unsolved["s_resolution"]) or np.isnan(unsolved["s_resolution"])
    file = httpx.get(solved.access_url, timeout=PATIENT_SECONDS)
    assert (file.status_code, file.headers["content-type"]) == (200, "application/fits")
    assert -(-len(file.content) // 1000) == solved["access_estsize"]


def test_the_outline_is_a_polygon_around_its_middle(client: httpx.Client) -> None:
    answer = client.get("/sia2/query", params={"ID": f"ivo://projectpanoptes.org/images?{SECOND}"})
    (row,) = read(answer).get_first_table().to_table()
    kind, frame, *numbers = str(row["s_region"]).split()
    assert (kind, frame, len(numbers)) == ("Polygon", "ICRS", 8)
    ra, dec = np.radians(np.array(numbers, float).reshape(4, 2).T)
    vectors = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    assert to_place(tuple(vectors.sum(axis=0))) == pytest.approx((85.0, -4.0), abs=0.1)
    # Counter-clockwise, seen from inside; the vectors point outwards.
    turns = [np.cross(vectors[n - 1], vectors[n]) @ vectors.sum(axis=0) for n in range(4)]
    assert all(turn < 0 for turn in turns)


BOTH, ALL = [FIRST, SECOND], [FIRST, SECOND, AT_THE_POLE]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], ALL),
        # Within the solved image alone, and within five degrees of where the mount pointed.
        ([("POS", "CIRCLE 91.5 -8 0.5")], [SECOND]),
        ([("pos", "circle 80 -7 0.1")], BOTH),
        ([("POS", "RANGE 90 92 -8.5 -7.5")], [SECOND]),
        ([("POS", "RANGE -Inf +Inf -Inf -80")], [AT_THE_POLE]),
        ([("POS", "POLYGON 91 -8 92 -8 91.5 -7.5")], [SECOND]),
        ([("POS", "CIRCLE 200 40 5")], []),
        ([("POS", "CIRCLE 200 40 5"), ("POS", "CIRCLE 0 -90 1")], [AT_THE_POLE]),
        ([("TIME", "58165.4752 58165.4760")], [FIRST]),
        ([("TIME", "58165.4760")], [FIRST]),
        ([("TIME", "58165.4772 Inf")], [SECOND, AT_THE_POLE]),
        ([("TIME", "-Inf 58000")], []),
        ([("BAND", "5e-7 5.5e-7")], ALL),
        ([("BAND", "1e-6 2e-6")], []),
        ([("EXPTIME", "100 130")], ALL),
        ([("EXPTIME", "0 100"), ("EXPTIME", "500 inf")], []),
        ([("FOV", "10 20")], [SECOND]),
        ([("SPATRES", "10 30")], [SECOND]),
        ([("ID", f"IVO://projectpanoptes.org/images?{FIRST}")], [FIRST]),
        ([("ID", "ivo://elsewhere/images?1"), ("ID", "../../x")], []),
        ([("COLLECTION", "panoptes"), ("FACILITY", "PAN001")], BOTH),
        ([("COLLECTION", "other")], []),
        ([("INSTRUMENT", "358d0f")], [AT_THE_POLE]),
        ([("TARGET", "m42"), ("TARGET", "M31")], BOTH),
        ([("TARGET", "South Pole")], [AT_THE_POLE]),
        ([("DPTYPE", "image"), ("CALIB", "1"), ("FORMAT", "application/fits")], ALL),
        ([("DPTYPE", "cube")], []),
        ([("CALIB", "2"), ("CALIB", "3")], []),
        ([("FORMAT", "image/jpeg")], []),
        ([("POL", "I")], []),
    ],
)
def test_every_parameter_narrows_the_search(
    client: httpx.Client, given: list[tuple[str, str]], wanted: list[str]
) -> None:
    assert sorted(found(client, *given)) == sorted(wanted)


def test_a_form_is_answered_as_an_address_is(client: httpx.Client) -> None:
    assert found(client, ("POS", "CIRCLE 91.5 -8 0.5"), method="POST") == [SECOND]
    refused = client.post("/sia2/query", json={})
    assert (refused.status_code, statuses(refused)[0][0]) == (415, "ERROR")


def test_an_answer_that_is_cut_off_says_so(client: httpx.Client) -> None:
    for most in (0, 1):
        answer = client.get("/sia2/query", params={"MAXREC": most})
        assert [status for status, _ in statuses(answer)] == ["OK", "OVERFLOW"]
        assert len(read(answer).get_first_table().array) == most
    whole = client.get("/sia2/query", params={"MAXREC": 3, "nonsense": 1})
    assert [status for status, _ in statuses(whole)] == ["OK"]
    warned = [each.value for each in read(whole).resources[0].infos if each.name == "warning"]
    assert warned == ["nonsense is no parameter of SIA 2.0, and was ignored"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POS", "CIRCLE 1 2"),
        ("POS", "CIRCLE 1 2 nan"),
        ("POS", "CIRCLE 1 2 1e999"),
        ("POS", "CIRCLE 400 2 1"),
        ("POS", "SQUARE 1 2 3"),
        ("POS", "RANGE 350 10 0 1"),
        ("POS", "POLYGON 1 2 3 4"),
        ("POS", "POLYGON" + " 1 2" * 101),
        ("POS", ""),
        ("TIME", "2018-02-16"),
        ("TIME", "2 1"),
        ("TIME", "1 2 3"),
        ("BAND", "٣"),
        ("EXPTIME", "Inf"),
        ("CALIB", "9"),
        ("MAXREC", "-1"),
        ("MAXREC", "1e3"),
        ("RESPONSEFORMAT", "application/json"),
        ("UPLOAD", "x,http://127.0.0.1/"),
        ("POS", "<script>\x00\ud800]]>"),
    ],
)
def test_what_cannot_be_understood_is_refused_as_a_votable(
    client: httpx.Client, name: str, value: str
) -> None:
    coded = value.encode("utf-8", "surrogatepass")
    answer = client.get("/sia2/query", params=httpx.QueryParams({name: coded}))
    assert answer.status_code == 400
    ((status, sentence),) = statuses(answer)
    assert status == "ERROR"
    assert sentence.startswith(f"UsageFault: {name}")


def test_too_many_values_are_refused(client: httpx.Client) -> None:
    answer = client.get("/sia2/query", params=[("POS", "CIRCLE 1 2 3")] * 21)
    assert answer.status_code == 400
    assert "too often" in statuses(answer)[0][1]


def test_files_that_are_not_open_have_no_address_and_a_token_is_asked_for(site: Site) -> None:
    with served(site) as closed:
        table = read(closed.get("/sia2/query")).get_first_table().to_table()
        assert not any(table["access_url"])
    with served(site, token="c2VydmljZXMgZm9yIHRlc3Rz") as guarded:
        for path in ("query", "capabilities", "availability"):
            assert guarded.get(f"/sia2/{path}").status_code == 401


def test_vosi_says_where_the_query_is(client: httpx.Client) -> None:
    capabilities = client.get("/sia2/capabilities")
    assert f"{client.base_url}/sia2/query" in capabilities.text
    assert "<vosi:available>true<" in client.get("/sia2/availability").text
