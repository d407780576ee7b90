"""The network block: made, saved, edited, found by name, and wrong settings said at once."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials, Credentials
from prefect_gcp.credentials import GcpCredentials
from pydantic import ValidationError

from blocks.network import PanoptesNetwork, credentials_of, load_network
from deployments.local_stack.stack import LocalStack
from panoptes.network.addresses import open_store
from panoptes.network.errors import ConfigurationError
from panoptes.network.settings import LOCATIONS, NetworkSettings
from panoptes.network.site import Site
from panoptes.network.storage.gcs import GcsStore
from panoptes.network.upload import Source
from tests.google_key import service_account


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_folder(tmp_path)


def test_its_locations_are_folders_of_their_names_beside_the_catalogue(tmp_path: Path) -> None:
    Site.in_folder(tmp_path / "new").check()
    assert {path.name for path in (tmp_path / "new").iterdir()} >= {*LOCATIONS, "catalog.sqlite"}


def test_it_is_registered_saved_edited_and_found_by_name(
    prefect_stack: LocalStack, site: Site, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "prefect", "block", "register", "-m", "blocks.network"]
    environment = prefect_stack.environment
    subprocess.run(command, check=True, env=environment, cwd=tmp_path, capture_output=True)
    with prefect_stack.settings():
        PanoptesNetwork.of(site).save("edited", overwrite=True)
        with prefect_stack.client() as client:
            document = client.read_block_document_by_name("edited", "panoptes-network")
            assert document.block_schema is not None
            fields = document.block_schema.fields["properties"]
        assert all(len(field["description"]) > 20 for field in fields.values())
        site.settings.compression = "RICE_1"
        PanoptesNetwork.of(site).save("edited", overwrite=True)
        found = load_network("edited")
    assert found.compression == "RICE_1"
    found.site.check()


def test_a_name_that_nobody_saved_is_said_in_one_sentence(prefect_stack: LocalStack) -> None:
    with (
        prefect_stack.settings(),
        pytest.raises(ConfigurationError, match="no 'PANOPTES network' block named 'nobody'"),
    ):
        load_network("nobody")


def test_it_can_be_given_by_environment(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*LOCATIONS, "catalog"):
        monkeypatch.setenv(f"PANOPTES_{name.upper()}", getattr(site.settings, name))
    monkeypatch.setenv("PANOPTES_WORKERS", "3")
    monkeypatch.setenv("PANOPTES_KEEP_INCOMING", "true")
    monkeypatch.setenv("PANOPTES_RAWPY_OPTIONS", '{"half_size": true}')
    given = load_network("environment")
    assert (given.images, given.workers) == (str(tmp_path / "images"), 3)
    assert given.keep_incoming
    assert given.rawpy_options == {"half_size": True}
    monkeypatch.setenv("PANOPTES_WORKERS", "many")
    with pytest.raises(ConfigurationError, match="PANOPTES_WORKERS"):
        load_network("environment")


def test_two_locations_may_not_share_a_place(site: Site) -> None:
    site.settings.rgb = site.settings.images
    with pytest.raises(ConfigurationError, match="share"):
        site.check()


def test_a_bucket_that_is_not_there_is_said_before_the_first_file(
    site: Site, gcs_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_emulator)
    site.settings.originals = "gs://nobodys-bucket"
    with pytest.raises(ConfigurationError, match="nobodys-bucket"):
        site.check()


def test_a_prefix_of_a_bucket_is_a_location(
    site: Site,
    gcs_emulator: str,
    make_bucket: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_emulator)
    bucket = make_bucket()
    site.settings.images, site.settings.rgb = f"gs://{bucket}/images", f"gs://{bucket}/rgb"
    site.check()
    site.store("images").put("a", b"1", if_generation=0)
    site.store("rgb").put("b", b"2", if_generation=0)
    assert [info.name for info in site.store("images").list()] == ["a"]


def test_it_travels_to_other_processes_without_what_it_has_opened(
    site: Site,
) -> None:
    site.check()
    copy = pickle.loads(pickle.dumps(site))
    assert copy.settings == site.settings
    copy.check()


def test_one_download_is_shared_while_a_file_is_in_the_works(site: Site) -> None:
    site.check()
    info = site.store("incoming").put("a.fits", b"pixels")
    source = Source(info.name, info.generation, info.size, info.updated)
    data = site.read(source)
    assert site.read(source) is data
    source.memory.clear()
    assert site.read(source) is not data


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("catalog", "gs://bucket/catalog"),
        ("catalog", "file:///somewhere"),
        ("catalog", "sqlite://relative.db"),
        ("catalog", "firestore://"),
        ("images", "sqlite:///x"),
        ("images", "firestore://project"),
        ("images", "gs://"),
        ("images", "gs:/bucket"),
        ("images", "gs://Bad_Bucket!"),
        ("images", "s3://bucket"),
        ("images", " "),
    ],
)
def test_an_address_of_the_wrong_kind_is_refused(site: Site, field: str, address: str) -> None:
    with pytest.raises(ValidationError, match=field):
        NetworkSettings.model_validate(site.settings.model_dump() | {field: address})


@pytest.mark.parametrize("spelling", ["{}/originals/", "{}/./originals", "{}/x/../originals"])
def test_two_spellings_of_one_place_are_one_place(
    site: Site, tmp_path: Path, spelling: str
) -> None:
    site.settings.images = spelling.format(tmp_path)
    with pytest.raises(ConfigurationError, match="share"):
        site.check()


def test_a_place_within_the_drained_incoming_is_refused_however_it_is_spelt(
    site: Site, tmp_path: Path
) -> None:
    site.settings.quarantine = f"{tmp_path}/x/../incoming/q"
    with pytest.raises(ConfigurationError, match="drained"):
        site.check()


def test_copies_between_buckets_are_the_servers_with_a_credentials_block_too() -> None:
    def ours() -> Credentials:
        return AnonymousCredentials()  # type: ignore[no-untyped-call]

    one = open_store("gs://one-bucket", credentials=ours)
    other = open_store("gs://other-bucket", credentials=ours)
    assert isinstance(one, GcsStore)
    assert isinstance(other, GcsStore)
    assert one.credentials == other.credentials


def test_a_credentials_block_that_is_not_there_is_said_in_one_sentence(
    prefect_stack: LocalStack,
) -> None:
    with (
        prefect_stack.settings(),
        pytest.raises(ValidationError, match="'GCP Credentials' block 'nobody' cannot be used"),
    ):
        PanoptesNetwork.in_folder(Path("data"), gcp_credentials="nobody")


def test_a_block_that_was_saved_when_the_field_held_a_name_still_loads(
    prefect_stack: LocalStack, site: Site
) -> None:
    with prefect_stack.settings():
        GcpCredentials(service_account_info=service_account()).save("old-key", overwrite=True)
        network = PanoptesNetwork.of(site)
        saved = network.save("old-form", overwrite=True)
        with prefect_stack.client() as client:
            client.request(
                "PATCH",
                "/block_documents/{id}",
                path_params={"id": saved},
                json={
                    "data": site.settings.model_dump(mode="json") | {"gcp_credentials": "old-key"},
                    "merge_existing_data": False,
                },
            ).raise_for_status()
        found = load_network("old-form")
    assert found.gcp_credentials is not None
    assert found.site.settings == site.settings
    given = credentials_of(found.gcp_credentials)
    assert getattr(given, "service_account_email", None) == "panoptes@example.invalid"


@pytest.mark.parametrize(
    "address",
    ["threads", "dask://scheduler:8786", "dask+tls://scheduler:8786",
     "ray://head.example.org:10001"],
)  # fmt: skip
def test_the_task_runner_is_threads_or_a_clusters_address(address: str) -> None:
    assert PanoptesNetwork.in_folder(Path("data"), task_runner=address).task_runner == address


@pytest.mark.parametrize(
    "address",
    ["dask", "processes", "dask://scheduler", "dask://scheduler:0", "dask://scheduler:99999",
     "tcp://scheduler:8786", "dask://user:word@scheduler:8786", "ray://head:10001/x",
     "ray+tls://head:10001", ""],
)  # fmt: skip
def test_any_other_task_runner_is_refused_with_what_it_may_be(address: str) -> None:
    with pytest.raises(ValidationError, match=r"must be threads, or .* dask://scheduler:8786"):
        PanoptesNetwork.in_folder(Path("data"), task_runner=address)
