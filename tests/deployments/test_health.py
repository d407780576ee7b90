"""What is wrong is said in one sentence."""

from __future__ import annotations

import json
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments.command_line.main import app
from deployments.health import look
from deployments.local_stack.stack import LocalStack
from panoptes.network.site import Site
from tests import sites
from tests.deployments.services.served import served
from tests.files import IMAGE, place, tiny_fits
from tests.hindrances import mounted
from tests.patience import PATIENT_SECONDS


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(tmp_path)


def test_a_network_without_prefect_is_well_until_something_waits_for_long(site: Site) -> None:
    verdict = look(site)
    assert (verdict.is_well, verdict.sentence) == (True, "All is well.")
    path = place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    sites.age(path, datetime.now(UTC) - timedelta(hours=3))
    assert look(site).sentence == "1 file waits in incoming, one of them for 3 hours."


def test_the_worst_comes_first_and_the_others_are_counted(site: Site) -> None:
    shutil.rmtree(site.settings.images)
    shutil.rmtree(site.settings.previews)
    verdict = look(site)
    expected = "Images cannot be read, so files wait until it is back (and 1 more)."
    assert verdict.sentence == expected
    assert not Path(site.settings.images).exists()  # it only looks
    catalog = site.settings.catalog.removeprefix("sqlite:///")
    site.catalog.close()
    Path(catalog).write_bytes(b"not a database" * 100)
    assert look(Site(site.settings)).sentence.startswith("The catalogue cannot be read")


def test_a_folder_of_incoming_that_nothing_can_be_removed_from_is_named(site: Site) -> None:
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    with mounted(sites.incoming(site) / "PAN001"):
        verdict = look(site)
    assert verdict.sentence.startswith("Uploads cannot be removed from incoming")
    details = [check.detail or "" for check in verdict.checks if not check.is_well]
    assert f"{sites.incoming(site) / 'PAN001'} is a mount of its own" in details[0]
    assert not look(site).sentence.startswith("Uploads cannot be removed")


def test_prefect_that_is_away_and_a_stack_that_works_are_told(
    prefect_api: LocalStack, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    expected = "Prefect's server does not answer, so no run starts and uploads wait."
    assert look(site).sentence == expected
    monkeypatch.setenv("PREFECT_API_URL", prefect_api.api_url)
    deadline = time.monotonic() + PATIENT_SECONDS
    while not (said := {each.what: each for each in look(site).checks})["worker"].is_well:
        assert time.monotonic() < deadline, said["worker"].sentence
        time.sleep(0.5)
    assert said["Prefect"].is_well
    assert said["worker"].sentence.startswith("a worker was heard of")
    swept = said["sweep"].sentence
    assert (
        "the last sweep was" in swept
        or "sweep-incoming/local has not" in swept
        or (swept == "sweep-incoming/local is new here and runs first within some minutes")
    )


def test_services_say_it_to_programs_and_people_and_open_ones_name_no_place(site: Site) -> None:
    html = {"Accept": "text/html"}
    with served(site) as client:
        assert client.get("/health").json()["sentence"] == "All is well."
        assert "All is well." in client.get("/health", headers=html).text
    shutil.rmtree(site.settings.images)
    token = {"Authorization": "Bearer " + "0f7c2a91be" * 4}
    for options, headers, is_named in (({}, {}, False), ({"token": "0f7c2a91be" * 4}, token, True)):
        with served(site, **options) as client:
            answer = client.get("/health", headers=headers)
            assert answer.status_code == 503
            assert answer.json()["is_well"] is False
            assert (site.settings.images in answer.text) is is_named
            page = client.get("/health", headers=html | headers)
            assert page.status_code == 200
            assert (site.settings.images in page.text) is is_named
            assert client.get("/healthz").status_code == 200


def test_the_command_exits_with_3_where_anything_is_wrong(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    data = str(Path(site.settings.images).parent)
    code = run("health", "--data", data, "--json")
    wrong = {c["what"] for c in json.loads(capsys.readouterr().out)["checks"] if not c["is_well"]}
    assert wrong <= {"disk"}  # this machine's may be nearly full
    assert code == (3 if wrong else 0)
    shutil.rmtree(site.settings.images)
    assert run("health", "--data", data, "--json") == 3
    answer = json.loads(capsys.readouterr().out)
    assert (answer["success"], answer["is_well"]) == (True, False)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        app([*arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code
