"""The services over HTTP, on a real archive, with a real server in Sesame's place."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.services import search_routes
from panoptes.network.site import Site
from tests.archives import IMAGE, LATER, OTHER, SEQUENCE_ID, small_archive
from tests.deployments.services.served import FILE, served
from tests.local_http import SesameServer, sesame_server, simbad

VEGA = simbad("NAME Vega", "279.2347347", "+38.7836889")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def sesame() -> Iterator[SesameServer]:
    with sesame_server(Vega=VEGA) as server:
        yield server


@pytest.fixture(scope="module")
def client(site: Site, sesame: SesameServer) -> Iterator[httpx.Client]:
    with served(site, sesame.url, files="archive") as client:
        yield client


# lookup-field


def test_a_lookup_answers_as_the_original_did_and_says_who_knew(client: httpx.Client) -> None:
    wanted = {
        "success": True, "search_string": "M42", "ra": pytest.approx(83.8187, abs=1e-4),
        "dec": pytest.approx(-5.3897, abs=1e-4), "name": "NGC 1976", "source": "OpenNGC",
    }  # fmt: skip
    got = client.get("/lookup-field", params={"search_string": "M42"})
    posted = client.post("/lookup-field", json={"search_string": "M42"})
    assert (got.status_code, got.json()) == (200, wanted)
    assert (posted.status_code, posted.json()) == (200, wanted)


def test_a_planet_is_looked_up_at_a_time(client: httpx.Client) -> None:
    question = {"search_string": "Saturn", "time": "2020-12-21T18:20"}
    found = client.get("/lookup-field", params=question).json()
    assert found["ra"] == pytest.approx(302.5, abs=0.1)
    assert found["time"] == "2020-12-21T18:20:00Z"


def test_a_name_that_nobody_knows_is_404_with_a_sentence(client: httpx.Client) -> None:
    answer = client.get("/lookup-field", params={"search_string": "Zzyzx"})
    assert answer.status_code == 404
    assert answer.json()["success"] is False
    assert "nothing is known as 'Zzyzx'" in answer.json()["message"]


def test_an_outage_of_sesame_is_503_and_names_once_looked_up_survive_it(
    site: Site, client: httpx.Client
) -> None:
    assert client.get("/lookup-field", params={"search_string": "Vega"}).status_code == 200
    with served(site) as later:
        found = later.get("/lookup-field", params={"search_string": "Vega"})
        assert (found.status_code, found.json()["ra"]) == (200, 279.2347347)
        away = later.get("/lookup-field", params={"search_string": "Deneb"})
    assert away.status_code == 503
    assert away.headers["retry-after"].isdigit()
    assert "the name service Sesame gives no answer" in away.json()["message"]


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"search_string": ""},
        {"search_string": "x" * 201},
        {"search_string": "M42", "time": "?"},
    ],
)
def test_a_question_that_cannot_be_understood_is_422_with_a_sentence(
    client: httpx.Client, question: dict[str, str]
) -> None:
    for answer in (
        client.get("/lookup-field", params=question),
        client.post("/lookup-field", json=question),
    ):
        assert answer.status_code == 422
        assert answer.json()["success"] is False
        assert answer.json()["message"].partition(":")[0] in ("search_string", "time")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"M42"', b"\xff"])
def test_a_body_that_is_no_json_object_is_422(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/lookup-field", content=body)
    assert (answer.status_code, answer.json()["success"]) == (422, False)


# get-fits-header


def test_a_header_answers_as_the_original_did(client: httpx.Client) -> None:
    question = {"bucket_path": f"{IMAGE}.fits.fz"}
    got = client.get("/get-fits-header", params=question)
    posted = client.post("/get-fits-header", json=question)
    assert got.status_code == 200
    assert got.json() == posted.json()
    answer = got.json()
    header = answer["header"]
    assert answer["success"] is True
    assert (header["NAXIS1"], header["FIELD"], header["EXPTIME"]) == (16, "M42", 120.125)
    assert "ZIMAGE" not in header
    assert answer["hdu"]["kind"] == "compressed-image"


def test_filename_is_a_url_that_fetches_the_file_and_names_it(client: httpx.Client) -> None:
    header = client.get("/get-fits-header", params={"bucket_path": f"{IMAGE}.fits.fz"}).json()
    url = header["header"]["FILENAME"]
    assert client.get(url).content.startswith(b"SIMPLE")
    assert client.get("/get-fits-header", params={"bucket_path": url}).json() == header


@pytest.mark.parametrize(
    "path",
    [
        f"https://storage.googleapis.com/panoptes-raw-images/{IMAGE}.fits.fz",
        f"images/{IMAGE}.fits.fz",
        f"{IMAGE}.fits",
        f"{IMAGE.replace('/', '/M42/', 1)}.fits",
    ],
)
def test_other_forms_of_a_path_mean_the_same_file(client: httpx.Client, path: str) -> None:
    answer = client.get("/get-fits-header", params={"bucket_path": path})
    assert (answer.status_code, answer.json()["path"]) == (200, f"{IMAGE}.fits.fz")


def test_all_hdus_or_one_are_given_on_demand(client: httpx.Client) -> None:
    question = {"bucket_path": f"{IMAGE}.fits.fz"}
    every = client.get("/get-fits-header", params=question | {"hdu": "all"}).json()
    assert [hdu["header"]["NAXIS"] for hdu in every["headers"]] == [0, 2]
    assert (
        client.get("/get-fits-header", params=question | {"hdu": "0"}).json()["header"]["NAXIS"]
        == 0
    )
    assert client.post("/get-fits-header", json=question | {"hdu": 1}).json()["hdu"]["index"] == 1
    missing = client.get("/get-fits-header", params=question | {"hdu": "SCI"})
    assert (missing.status_code, "no HDU SCI" in missing.json()["message"]) == (404, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("../data/catalog.sqlite", 400),
        ("%2e%2e/data/catalog.sqlite", 400),
        ("/etc/passwd", 400),
        ("file:///etc/passwd", 400),
        ("gs://another/a.fits", 404),
        ("https://example.org/a.fits", 404),
        ("PAN001/nothing.fits", 404),
        ("PAN001", 404),
    ],
)
def test_what_is_no_file_of_the_network_is_refused_with_a_sentence(
    site: Site, client: httpx.Client, path: str, status: int
) -> None:
    answer = client.get("/get-fits-header", params={"bucket_path": path})
    assert (answer.status_code, answer.json()["success"]) == (status, False)
    assert str(Path(site.settings.images).parent) not in answer.text


def test_a_link_that_leads_outside_is_not_followed(
    site: Site, client: httpx.Client, tmp_path: Path
) -> None:
    (tmp_path / "secret.fits").write_bytes(b"SIMPLE  = T")
    (Path(site.settings.images) / "aside").symlink_to(tmp_path)
    for answer in (
        client.get("/get-fits-header", params={"bucket_path": "images/aside/secret.fits"}),
        client.get("/files/images/aside/secret.fits"),
    ):
        assert answer.status_code == 404
        assert str(tmp_path) not in answer.text


def test_a_file_that_is_no_fits_file_is_422_with_code_and_advice(client: httpx.Client) -> None:
    answer = client.get("/get-fits-header", params={"bucket_path": f"previews/{LATER}.jpg"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "not-fits"
    assert "JPEG" in answer.json()["message"]
    assert answer.json()["next_step"]


# Search


def test_observations_are_found_by_what_they_are(client: httpx.Client) -> None:
    def found(**question: Any) -> list[str]:
        answer = client.get("/observations", params=question)
        assert answer.status_code == 200, answer.text
        return [each["sequence_id"] for each in answer.json()["observations"]]

    assert found() == [OTHER, SEQUENCE_ID]
    assert found(unit_id="PAN001") == [SEQUENCE_ID]
    assert found(unit_id=["PAN001", "PAN012"], min_num_images=2) == [SEQUENCE_ID]
    assert found(camera_id="358d0f") == [OTHER]
    assert found(field_name="m42") == [SEQUENCE_ID]
    assert found(start="2018-03-01") == [OTHER]
    assert found(end="2018-03-01T00:00:00Z") == [SEQUENCE_ID]
    assert found(near="M42", radius=1) == [SEQUENCE_ID]
    assert found(ra=180, dec=-90, radius=1) == [OTHER]
    assert found(ra=0.1, dec=-89.4, radius=0.2) == [OTHER]
    assert found(status="metadata_received") == []


def test_pages_go_on_where_the_last_one_ended(client: httpx.Client) -> None:
    first = client.get("/observations", params={"limit": 1}).json()
    second = client.get("/observations", params={"limit": 1, "cursor": first["next"]}).json()
    assert [p["observations"][0]["sequence_id"] for p in (first, second)] == [OTHER, SEQUENCE_ID]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ({"unit": "PAN001"}, 422),
        ({"ra": 1}, 422),
        ({"ra": 1, "dec": 91}, 422),
        ({"near": "M42", "ra": 1, "dec": 1}, 422),
        ({"limit": 0}, 422),
        ({"start": "0001-01-01"}, 422),
        ({"cursor": "x"}, 400),
        ({"near": "Zzyzx"}, 404),
    ],
)
def test_a_search_that_means_nothing_is_refused(
    client: httpx.Client, question: dict[str, Any], status: int
) -> None:
    answer = client.get("/observations", params=question)
    assert (answer.status_code, answer.json()["success"]) == (status, False)


def test_one_observation_and_its_images_are_given(client: httpx.Client) -> None:
    observation = client.get(f"/observations/{SEQUENCE_ID}").json()
    assert (observation["sequence_id"], observation["num_images"]) == (SEQUENCE_ID, 2)
    assert observation["time"] == "2018-02-16T11:06:23Z"
    images = client.get(f"/observations/{SEQUENCE_ID}/images").json()["images"]
    assert [each["bucket_path"] for each in images] == [f"{IMAGE}.fits.fz", f"{LATER}.fits.fz"]
    assert client.get(images[0]["public_url"]).status_code == 200
    for unknown in ("PAN001_14d3bd_20180216T110624", "nonsense", "..%2f"):
        assert client.get(f"/observations/{unknown}").status_code == 404
        assert client.get(f"/observations/{unknown}/images").status_code == 404


def test_units_and_recent_observations_are_lists_as_before(client: httpx.Client) -> None:
    assert [unit["unit_id"] for unit in client.get("/units").json()] == ["PAN001", "PAN012"]
    assert client.get("/units").json()[0]["location"] == {"latitude": 19.54, "longitude": -155.58}
    recent = client.get("/observations/recent", params={"limit": 1}).json()
    assert [each["sequence_id"] for each in recent] == [OTHER]


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_observations_come_as_csv_with_the_clients_columns(client: httpx.Client) -> None:
    found = rows(client.get("/observations.csv"))
    assert [row["sequence_id"] for row in found] == [SEQUENCE_ID, OTHER]
    assert found[0] | {
        "unit_id": "PAN001", "camera_id": "14d3bd", "field_name": "M42", "num_images": "2",
        "coordinates.mount_ra": "83.8", "coordinates.mount_dec": "-5.4",
        "time": "2018-02-16 11:06:23.000000+00:00", "status": "received",
        "exptime": "120.125", "total_exptime": "240.25",
    } == found[0]  # fmt: skip
    assert len(rows(client.get("/observations.csv", params={"unit_id": "PAN012"}))) == 1
    assert client.get("/observations.csv", params={"near": "Zzyzx"}).status_code == 404


def test_image_metadata_come_as_csv_by_sequence_id(client: httpx.Client) -> None:
    found = rows(client.get("/get-observation-info", params={"sequence_id": SEQUENCE_ID}))
    assert [row["uid"] for row in found] == [
        f"{SEQUENCE_ID}_20180216T112430",
        f"{SEQUENCE_ID}_20180216T112630",
    ]
    assert found[0]["time"] == "2018-02-16 11:24:30.000000+00:00"
    assert found[1]["camtemp"] == "11.0"
    assert client.get("/get-observation-info", params={"sequence_id": "x"}).status_code == 404


# Files


def test_files_are_served_whole_and_in_parts(site: Site, client: httpx.Client) -> None:
    data = (Path(site.settings.images) / f"{IMAGE}.fits.fz").read_bytes()
    whole = client.get(FILE)
    assert (whole.content, whole.headers["content-type"]) == (data, "application/fits")
    run_together = client.get(FILE.replace("/files/", "/files"))  # as panoptes-data may ask
    assert run_together.content == data
    part = client.get(FILE, headers={"Range": "bytes=2880-2889"})
    assert (part.status_code, part.content) == (206, data[2880:2890])
    assert part.headers["content-range"] == f"bytes 2880-2889/{len(data)}"
    beyond = client.get(FILE, headers={"Range": f"bytes={len(data)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")
    head = client.head(FILE)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(data))


def test_files_that_did_not_change_are_not_sent_again(client: httpx.Client) -> None:
    etag = client.head(FILE).headers["etag"]
    assert client.get(FILE, headers={"If-None-Match": etag}).status_code == 304
    assert client.get(FILE, headers={"If-None-Match": '"other"'}).status_code == 200
    part = {"Range": "bytes=0-9", "If-Range": etag}
    assert client.get(FILE, headers=part).status_code == 206
    assert client.get(FILE, headers=part | {"If-Range": '"other"'}).status_code == 200


def test_a_file_that_is_replaced_while_it_is_sent_breaks_off(site: Site) -> None:
    store = site.store("rgb")
    size = 24 << 20
    store.put("large.fits.fz", b"a" * size)
    with served(site, files="rgb") as client:
        taken = 0
        with client.stream("GET", "/files/rgb/large.fits.fz") as answer:
            parts = answer.iter_raw(1 << 20)
            taken += len(next(parts))
            store.put("large.fits.fz", b"b" * size)
            with pytest.raises(httpx.RemoteProtocolError):
                taken += sum(map(len, parts))
    assert 0 < taken < size


@pytest.mark.parametrize(
    "path",
    [
        f"/files/incoming/{IMAGE}.fits.fz",
        "/files/quarantine/a",
        f"/filesincoming/{IMAGE}.fits.fz",
        "/filesimages/..%2f..%2fcatalog.sqlite",
        "/files/nowhere/a",
        "/files/images/",
        "/files/images/PAN001",
        "/files/images/..%2f..%2fcatalog.sqlite",
        "/files/images/%2e%2e/catalog.sqlite",
        "/files/images/%252e%252e/catalog.sqlite",
        "/files/images//etc/passwd",
        "/files/images/.panoptes/locks",
        "/files/images/a%00b",
    ],
)
def test_no_path_leads_out_of_the_open_locations(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404)
    assert answer.json()["success"] is False


def test_files_are_closed_unless_the_operator_opens_them(site: Site) -> None:
    with served(site) as client:
        assert client.get(FILE).status_code == 404
        images = client.get(f"/observations/{SEQUENCE_ID}/images").json()["images"]
        assert images[0]["public_url"] is None
        header = client.get("/get-fits-header", params={"bucket_path": f"{IMAGE}.fits.fz"}).json()
        assert header["header"]["FILENAME"] == f"images/{IMAGE}.fits.fz"


def test_unknown_paths_and_methods_are_told_in_the_same_form(client: httpx.Client) -> None:
    for answer, status in (
        (client.get("/nothing"), 404),
        (client.put("/lookup-field"), 405),
        (client.delete("/units"), 405),
    ):
        assert (answer.status_code, answer.json()["success"]) == (status, False)
    assert "GET" in client.delete("/units").headers["allow"]


def test_there_is_an_openapi_page(client: httpx.Client) -> None:
    assert "GET /observations/{sequence_id}/images" in client.get("/docs").text
    described = client.get("/openapi.json").json()["paths"]
    assert {"/lookup-field", "/get-fits-header", "/observations", "/units"} <= described.keys()


def test_many_callers_are_answered_at_once(client: httpx.Client) -> None:
    statuses: list[int] = []

    def read() -> None:
        for path in ("/observations", "/units", "/lookup-field?search_string=M1", FILE):
            statuses.append(client.get(path).status_code)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8 * 4


def test_images_are_sent_as_they_are_read(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/observations/{SEQUENCE_ID}/images"
    whole = client.get(address).json()
    assert (len(whole["images"]), whole["next"]) == (2, None)
    monkeypatch.setattr(search_routes, "_IMAGES_AT_ONCE", 1)
    assert client.get(address).json() == whole
    first = client.get(address, params={"limit": 1}).json()
    rest = client.get(address, params={"cursor": first["next"]}).json()
    assert first["images"] + rest["images"] == whole["images"]
    assert client.get(address, params={"image_type": "dark"}).json()["images"] == []
    assert client.get(address, params={"cursor": "none"}).status_code == 400
