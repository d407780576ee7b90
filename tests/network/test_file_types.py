"""One table says what differs by type of file."""

from __future__ import annotations

import pytest

from panoptes.network.audit.claims import uploaded_as
from panoptes.network.errors import ADVICE
from panoptes.network.file_types import FILE_TYPES, FileType, content_type_of
from panoptes.network.ingest.derive import DERIVATIONS
from panoptes.network.names import parse_upload
from tests.files import IMAGE


@pytest.mark.parametrize("file_type", FileType)
def test_every_type_is_read_named_to_volunteers_derived_and_kept(file_type: FileType) -> None:
    row = FILE_TYPES[file_type]
    for suffix in (file_type.value, *row.other_suffixes):
        assert parse_upload(f"{IMAGE}.{suffix.upper()}").file_type is file_type
        assert content_type_of(f"{IMAGE}.{suffix.upper()}") == row.content_type
    assert f".{file_type.value}" in ADVICE["unknown-suffix"].next_step
    assert file_type in DERIVATIONS
    kept = f"{IMAGE}.{row.kept_suffix}"
    assert uploaded_as(row.kept.location, kept) == kept


@pytest.mark.parametrize("name", ["page.html", "fits", "notes.txt", "image.fits.gz"])
def test_what_is_none_of_the_types_has_no_content_type(name: str) -> None:
    assert content_type_of(name) is None


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("previews", f"{IMAGE}.preview-1024.jpg"),
        ("rgb", f"{IMAGE}_r.fits.fz"),
        ("images", f"{IMAGE}.jpg"),
    ],
)
def test_what_the_network_makes_is_nobodys_upload(location: str, path: str) -> None:
    assert uploaded_as(location, path) is None
