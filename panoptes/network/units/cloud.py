"""What lets a unit create objects below its own prefix of a bucket, and nothing else."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from panoptes.network.errors import BadInput, ConfigurationError
from panoptes.network.names import parse_upload
from panoptes.network.units.registry import checked_unit_id

if TYPE_CHECKING:
    from google.auth.credentials import Signing

LONGEST = timedelta(days=7)
"""https://cloud.google.com/storage/docs/access-control/signed-urls"""
CREATE_ONLY = {"x-goog-if-generation-match": "0"}
"""The upload must send this header, since the signature covers it: nothing is overwritten."""


@dataclass(frozen=True)
class UploadUrl:
    """A URL to PUT one object to, with these headers, until it expires."""

    url: str
    headers: dict[str, str]


def upload_url(
    incoming: str, unit_id: str, name: str, *, credentials: Signing, valid: timedelta
) -> UploadUrl:
    """Let its holder create the object `name` in `incoming` (``gs://BUCKET/PREFIX``).

    Needs no network: `credentials` have a service account's private key. Raises
    ConfigurationError for a name that is not this unit's, or too long a time.
    """
    from google.cloud.storage import Client

    bucket, prefix = _bucket_of(incoming)
    try:
        upload = parse_upload(name)
    except BadInput as error:
        raise ConfigurationError(error.reason) from error
    if upload.sequence.unit_id != checked_unit_id(unit_id):
        raise ConfigurationError(f"{name[:200]!r} is not of {unit_id}")
    if not name.startswith(f"{unit_id}/"):
        raise ConfigurationError(f"{name[:200]!r} does not lie below {unit_id}/")
    if not timedelta(0) < valid <= LONGEST:
        raise ConfigurationError("a URL is valid for seven days at most")
    client = Client(project="none", credentials=_unused())
    url: str = (
        client.bucket(bucket)
        .blob(f"{prefix}{name}")
        .generate_signed_url(
            version="v4",
            method="PUT",
            expiration=valid,
            headers=dict(CREATE_ONLY),  # to which it adds
            credentials=credentials,
        )
    )
    return UploadUrl(url, dict(CREATE_ONLY))


def service_account_commands(incoming: str, unit_id: str, project: str) -> list[str]:
    """How an operator makes a service account that can only create objects of the unit.

    `roles/storage.objectCreator` cannot overwrite, since that takes the right to delete
    (https://cloud.google.com/storage/docs/access-control/iam-roles); the condition is on the
    object's name (https://cloud.google.com/iam/docs/conditions-resource-attributes).
    """
    bucket, prefix = _bucket_of(incoming)
    account = f"panoptes-{checked_unit_id(unit_id).lower()}"
    mail = f"{account}@{project}.iam.gserviceaccount.com"
    own = f"projects/_/buckets/{bucket}/objects/{prefix}{unit_id}/"
    condition = f'title={account},expression=resource.name.startsWith("{own}")'
    member = f"serviceAccount:{mail}"
    return [
        shlex.join(each)
        for each in (
            ("gcloud", "storage", "buckets", "update", f"gs://{bucket}",
             "--uniform-bucket-level-access"),
            ("gcloud", "iam", "service-accounts", "create", account, "--project", project),
            ("gcloud", "storage", "buckets", "add-iam-policy-binding", f"gs://{bucket}",
             "--member", member, "--role", "roles/storage.objectCreator",
             "--condition", condition),
            ("gcloud", "iam", "service-accounts", "keys", "create", f"{unit_id}.json",
             "--iam-account", mail),
        )
    ]  # fmt: skip


def _bucket_of(incoming: str) -> tuple[str, str]:
    parts = urlsplit(incoming)
    if parts.scheme != "gs":
        raise ConfigurationError(f"incoming, {incoming}, is no bucket: units upload into folders")
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/" if prefix else ""


def _unused() -> Any:
    """The client signs with what it is given; it shall look for no credentials of its own."""
    from google.auth.credentials import AnonymousCredentials

    return AnonymousCredentials()  # type: ignore[no-untyped-call]
