"""Addresses of stores and catalogs, as operators write them, and what lies there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from panoptes.network.catalog.catalog import Catalog
from panoptes.network.errors import ConfigurationError, first_fault
from panoptes.network.storage.store import ObjectStore

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

# https://cloud.google.com/storage/docs/buckets#naming
_BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](?:/[^\0\r\n]*)?")
_CATALOG = re.compile(
    r"sqlite:///[^\0]+|firestore://[a-z0-9][a-z0-9.:-]*(?:/(?:\(default\)|[\w-]+))?"
)


def checked_store(address: str) -> str:
    """The address itself. Raises ValueError, in a sentence, where no store can be."""
    if address.startswith("gs:"):
        if not _BUCKET.fullmatch(address):
            raise ValueError(f"{address!r} is no bucket: gs://BUCKET or gs://BUCKET/PREFIX")
    elif not address.strip() or urlsplit(address).scheme not in ("", "file"):
        raise ValueError(f"{address!r} is neither a folder nor gs://BUCKET/PREFIX")
    return address


def checked_catalog(address: str) -> str:
    """The address itself. Raises ValueError, in a sentence, where no catalog can be."""
    if not _CATALOG.fullmatch(address):
        raise ValueError(
            f"{address!r} is no catalogue: sqlite:///FOLDER/catalog.sqlite, or "
            "firestore://PROJECT or firestore://PROJECT/DATABASE"
        )
    return address


def place_of(address: str) -> str:
    """An address in the one spelling of its place."""
    parts = urlsplit(address)
    if parts.scheme in ("gs", "firestore"):
        return f"{parts.scheme}://{parts.netloc}/{parts.path.strip('/')}".rstrip("/")
    path = unquote(parts.path) if parts.scheme == "file" else address
    return str(Path(os.path.expanduser(path)).resolve())  # noqa: PTH111 - leaves ~nobody alone


def open_store(
    address: str,
    *,
    read_only: bool = False,
    follow_links: bool = True,
    uploads: bool = False,
    gcp_credentials: str | None = None,
) -> ObjectStore:
    """The store at an address: a folder, or ``gs://BUCKET/PREFIX``.

    `read_only`, `follow_links` and `uploads` are a folder's.
    """
    parts = urlsplit(address)
    if parts.scheme == "gs":
        from panoptes.network.storage.gcs import GcsStore

        return GcsStore(
            parts.netloc,
            parts.path.strip("/"),
            credentials=BlockCredentials(gcp_credentials) if gcp_credentials else None,
        )
    from panoptes.network.storage.folder import FolderStore

    path = unquote(parts.path) if parts.scheme == "file" else address
    return FolderStore(
        Path(place_of(path)), read_only=read_only, follow_links=follow_links, uploads=uploads
    )


def open_catalog(address: str, *, gcp_credentials: str | None = None) -> Catalog:
    """The catalog at an address: ``sqlite:///PATH`` or ``firestore://PROJECT/DATABASE``."""
    parts = urlsplit(address)
    if parts.scheme == "firestore":
        from panoptes.network.catalog.firestore import FirestoreCatalog

        return FirestoreCatalog(
            parts.netloc,
            parts.path.strip("/") or "(default)",
            credentials=BlockCredentials(gcp_credentials)() if gcp_credentials else None,
        )
    from panoptes.network.catalog.sqlite import SqliteCatalog

    path = address.removeprefix("sqlite:///") if parts.scheme == "sqlite" else address
    return SqliteCatalog(Path(place_of(path)))


@dataclass(frozen=True)
class BlockCredentials:
    """Gives the credentials of a prefect-gcp block; equal to others of that block."""

    block: str

    def __call__(self) -> Credentials:
        from google.auth.exceptions import GoogleAuthError
        from prefect_gcp import GcpCredentials

        try:
            loaded = GcpCredentials.load(self.block)
            assert isinstance(loaded, GcpCredentials)
            credentials: Credentials = loaded.get_credentials_from_service_account()
        except (ValueError, RuntimeError, GoogleAuthError) as error:
            raise ConfigurationError(
                f"the 'GCP Credentials' block {self.block!r} cannot be used: {first_line(error)}; "
                "mend it in the Prefect UI under Blocks, or leave the field empty to use the "
                "machine's own credentials"
            ) from error
        return credentials


def first_line(error: BaseException) -> str:
    """What an error says, for a sentence: of a validation its first complaint."""
    cause = error.__cause__ if isinstance(error.__cause__, ValidationError) else error
    if isinstance(cause, ValidationError):
        return first_fault(cause)
    return str(error).strip().partition("\n")[0]
