"""What a caller may name, and that nothing else can be."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panoptes.network.object_paths import BadPath, NotOurs, ObjectPath, paths_meant, public_url
from panoptes.network.settings import LOCATIONS, NetworkSettings
from panoptes.network.site import Site

NAME = "PAN001/14d3bd/20180216T110623/20180216T112430.fits.fz"
FILES = "https://data.example.org/panoptes/files"


def in_buckets() -> Site:
    """Two locations share a bucket, each below a prefix of its own, one within the other."""
    addresses = {location: f"gs://panoptes-{location}" for location in LOCATIONS}
    addresses |= {"rgb": "gs://panoptes-products/made", "previews": "gs://panoptes-products"}
    return Site(NetworkSettings.model_validate(addresses | {"catalog": "firestore://panoptes"}))


@pytest.fixture
def folders(tmp_path: Path) -> Site:
    return Site.in_folder(tmp_path)


def test_a_name_is_looked_for_in_the_archive_first(folders: Site) -> None:
    assert paths_meant(folders, NAME) == [
        ObjectPath("images", NAME),
        ObjectPath("incoming", NAME),
        ObjectPath("rgb", NAME),
    ]


def test_an_uploaded_name_also_means_what_it_was_archived_as(folders: Site) -> None:
    older = "PAN001/Wasp 35/14d3bd/20180216T110623/20180216T112430.fits"
    assert ObjectPath("images", NAME) in paths_meant(folders, older)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (f"images/{NAME}", ObjectPath("images", NAME)),
        (f"gs://panoptes-images/{NAME}", ObjectPath("images", NAME)),
        (f"https://storage.googleapis.com/panoptes-images/{NAME}", ObjectPath("images", NAME)),
        (f"https://storage.cloud.google.com/panoptes-images/{NAME}", ObjectPath("images", NAME)),
        (f"https://panoptes-images.storage.googleapis.com/{NAME}", ObjectPath("images", NAME)),
        (
            f"HTTPS://STORAGE.googleapis.com/panoptes-images/{NAME}?a=b#c",
            ObjectPath("images", NAME),
        ),
        ("gs://panoptes-products/made/a.fits", ObjectPath("rgb", "a.fits")),
        ("gs://panoptes-products/other/a.fits", ObjectPath("previews", "other/a.fits")),
        (
            "https://storage.googleapis.com/panoptes-images/a%20b%23c.fits",
            ObjectPath("images", "a b#c.fits"),
        ),
        (f"{FILES}/rgb/a%20b.fits", ObjectPath("rgb", "a b.fits")),
    ],
)
def test_addresses_lead_to_their_location(path: str, place: ObjectPath) -> None:
    assert paths_meant(in_buckets(), path, files_url=FILES) == [place]


@pytest.mark.parametrize(
    "url",
    [
        f"https://storage.googleapis.com/panoptes-raw-images/{NAME}",
        f"gs://panoptes-images-incoming/{NAME}",
    ],
)
def test_the_original_services_public_urls_still_name_their_file(folders: Site, url: str) -> None:
    assert paths_meant(folders, url) == paths_meant(folders, NAME)


def test_a_bucket_name_may_be_given_beside_the_path(folders: Site) -> None:
    assert paths_meant(folders, "a.fits", bucket_name="rgb") == [ObjectPath("rgb", "a.fits")]
    assert paths_meant(folders, NAME, bucket_name="panoptes-raw-images")[0].location == "images"
    found = paths_meant(in_buckets(), "made/a.fits", bucket_name="panoptes-products")
    assert found == [ObjectPath("rgb", "a.fits")]
    with pytest.raises(NotOurs):
        paths_meant(folders, "a.fits", bucket_name="another")


@pytest.mark.parametrize(
    "path",
    [
        "gs://another-bucket/a.fits",
        "gs://panoptes-products",
        "https://storage.googleapis.com/another-bucket/a.fits",
        "https://example.org/panoptes-images/a.fits",
        "http://169.254.169.254/computeMetadata/v1/",
        "https://storage.googleapis.com.example.org/panoptes-images/a.fits",
        "https://storage.googleapis.com@example.org/panoptes-images/a.fits",
        "https://user@storage.googleapis.com/panoptes-images/a.fits",
        "https://storage.googleapis.com:99/panoptes-images/a.fits",
        f"{FILES}/elsewhere/a.fits",
    ],
)
def test_other_peoples_places_are_refused(path: str) -> None:
    with pytest.raises((NotOurs, BadPath)):
        paths_meant(in_buckets(), path, files_url=FILES)


OUTSIDE = [
    "../catalog.sqlite",
    "PAN001/../../catalog.sqlite",
    "PAN001/./a.fits",
    "PAN001//a.fits",
    "PAN001/a.fits/",
    "/etc/passwd",
    "//etc/passwd",
    "..",
    ".",
    "%2e%2e/catalog.sqlite",
    "PAN001/%2E%2e/%2e%2E/catalog.sqlite",
    "%252e%252e/catalog.sqlite",
    "..%2fcatalog.sqlite",
    "..%5ccatalog.sqlite",
    "..\\catalog.sqlite",
    "PAN001\\..\\a.fits",
    "a\0.fits",
    "a\n.fits",
    "a%00.fits",
    ".panoptes/locks/a",
    "PAN001/.PANOPTES/a",
    "images/../incoming/a.fits",
    "file:///etc/passwd",
    "ftp://example.org/a",
    "http://[::1",
    "x" * 1025,
    "\udcff.fits",
]


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize(
    "prefix",
    ["", "images/", "gs://panoptes-images/", "https://storage.googleapis.com/panoptes-images/"],
)
def test_no_spelling_of_a_path_leads_outside(prefix: str, path: str) -> None:
    with pytest.raises((BadPath, NotOurs)):
        paths_meant(in_buckets(), prefix + path, files_url=FILES)


@given(
    st.lists(
        st.sampled_from(["..", ".", "/", "\\", "%2e", "%2f", "%5c", "%", "25", "a", "\0", "://"]),
        max_size=12,
    ),
    st.sampled_from(["", "images/", "gs://panoptes-images/", f"{FILES}/images/"]),
)
def test_whatever_is_understood_stays_inside(parts: list[str], prefix: str) -> None:
    try:
        places = paths_meant(in_buckets(), prefix + "".join(parts), files_url=FILES)
    except (BadPath, NotOurs):
        return
    for place in places:
        assert not {"..", ".", ""} & set(place.name.split("/"))
        assert "\\" not in place.name


@given(st.text(min_size=1, max_size=40))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        places = paths_meant(in_buckets(), text)
    except (BadPath, NotOurs) as error:
        refusal = str(error)
        assert refusal
    else:
        assert places


def test_the_public_url_leads_back_to_the_file() -> None:
    for site, files in ((in_buckets(), None), (in_buckets(), FILES)):
        for name in (NAME, "a b#c?d&e%f.fits", "ä/ö.fits"):
            url = public_url(site, ObjectPath("rgb", name), files_url=files)
            assert url.startswith("https://storage.googleapis.com/panoptes-products/made/")
            assert paths_meant(site, url, files_url=files) == [ObjectPath("rgb", name)]


def test_a_folders_files_have_a_url_only_where_they_are_served(folders: Site) -> None:
    place = ObjectPath("images", "a b.fits")
    url = public_url(folders, place, files_url=FILES)
    assert url == f"{FILES}/images/{quote('a b.fits')}"
    assert paths_meant(folders, url, files_url=FILES) == [place]
    assert public_url(folders, place) == "images/a b.fits"
    assert paths_meant(folders, public_url(folders, place)) == [place]
