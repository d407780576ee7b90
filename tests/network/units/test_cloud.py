"""What a unit is given for a bucket creates its own objects, and nothing else."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.oauth2.service_account import Credentials

from panoptes.network.errors import ConfigurationError
from panoptes.network.units.cloud import UploadUrl, service_account_commands, upload_url

INCOMING = "gs://panoptes-incoming/night"
NAME = "PAN042/14d3bd/20180216T110623/20180216T112430.fits.fz"
MAIL = "panoptes-pan042@project.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def credentials(private: rsa.RSAPrivateKey) -> Any:
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    information = {
        "type": "service_account", "client_email": MAIL, "private_key": pem.decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }  # fmt: skip
    return Credentials.from_service_account_info(information)  # type: ignore[no-untyped-call]


def made(credentials: Any, name: str = NAME, hours: float = 1.0) -> UploadUrl:
    valid = timedelta(hours=hours)
    return upload_url(INCOMING, "PAN042", name, credentials=credentials, valid=valid)


def is_signed(
    private: rsa.RSAPrivateKey, url: str, *, path: str | None = None, method: str = "PUT",
    match: str = "0",
) -> bool:  # fmt: skip
    """As Cloud Storage verifies: https://cloud.google.com/storage/docs/authentication/canonical-requests."""
    parts = urlsplit(url)
    query, _, signature = parts.query.partition("&X-Goog-Signature=")
    given = parse_qs(query)
    request = "\n".join(
        (method, path or parts.path, query, f"host:{parts.netloc}",
         f"x-goog-if-generation-match:{match}", "", given["X-Goog-SignedHeaders"][0],
         "UNSIGNED-PAYLOAD")
    )  # fmt: skip
    scope = given["X-Goog-Credential"][0].partition("/")[2]
    digest = hashlib.sha256(request.encode()).hexdigest()
    signed = "\n".join(("GOOG4-RSA-SHA256", given["X-Goog-Date"][0], scope, digest))
    try:
        private.public_key().verify(
            bytes.fromhex(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
        )
    except InvalidSignature:
        return False
    return True


def test_a_url_creates_one_object_of_the_unit_and_expires(
    private: rsa.RSAPrivateKey, credentials: Any
) -> None:
    upload = made(credentials)
    parts = urlsplit(upload.url)
    assert parts.path == f"/panoptes-incoming/night/{NAME}"
    assert parse_qs(parts.query)["X-Goog-Expires"] == ["3600"]
    assert upload.headers == {"x-goog-if-generation-match": "0"}
    assert is_signed(private, upload.url)
    for path in (f"/panoptes-incoming/night/{NAME}2", f"/panoptes-incoming/{quote(NAME)}"):
        assert not is_signed(private, upload.url, path=path), (
            "of another object it is worth nothing"
        )
    assert not is_signed(private, upload.url, match="7"), "it overwrites nothing"
    for method in ("GET", "DELETE", "POST"):
        assert not is_signed(private, upload.url, method=method)
    longer = upload.url.replace("X-Goog-Expires=3600", "X-Goog-Expires=36000")
    assert longer != upload.url
    assert not is_signed(private, longer), "its end cannot be put off"


@pytest.mark.parametrize(
    "name",
    [
        NAME.replace("PAN042", "PAN043"),
        f"PAN042/../{NAME.replace('PAN042', 'PAN043')}",
        NAME.replace("/", "_"),
        "PAN042/notes.txt",
        f"/{NAME}",
        "",
    ],
)
def test_a_name_that_is_not_below_the_units_prefix_gets_no_url(credentials: Any, name: str) -> None:
    with pytest.raises(ConfigurationError):
        made(credentials, name)


@pytest.mark.parametrize("hours", [0, -1, 169])
def test_a_url_is_valid_for_seven_days_at_most(credentials: Any, hours: float) -> None:
    with pytest.raises(ConfigurationError, match="seven days"):
        made(credentials, hours=hours)


def test_a_folder_has_no_urls(credentials: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no bucket"):
        upload_url(str(tmp_path), "PAN042", NAME, credentials=credentials, valid=timedelta(hours=1))


def test_the_service_account_may_only_create_and_only_below_its_unit() -> None:
    commands = service_account_commands(INCOMING, "PAN042", "project")
    (binding,) = (each for each in commands if "add-iam-policy-binding" in each)
    assert "roles/storage.objectCreator" in binding
    assert f"serviceAccount:{MAIL}" in binding
    own = "projects/_/buckets/panoptes-incoming/objects/night/PAN042/"
    assert f'resource.name.startsWith("{own}")' in binding
