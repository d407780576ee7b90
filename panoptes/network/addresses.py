"""Addresses of stores and catalogs, as operators write them, and what lies there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from panoptes.network.catalog.catalog import Catalog
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
    credentials: Callable[[], Credentials] | None = None,
) -> ObjectStore:
    """The store at an address: a folder, or ``gs://BUCKET/PREFIX``.

    `read_only`, `follow_links` and `uploads` are a folder's, `credentials` a bucket's.
    """
    parts = urlsplit(address)
    if parts.scheme == "gs":
        from panoptes.network.storage.gcs import GcsStore

        return GcsStore(parts.netloc, parts.path.strip("/"), credentials=credentials)
    from panoptes.network.storage.folder import FolderStore

    root = Path(place_of(address))
    return FolderStore(root, read_only=read_only, follow_links=follow_links, uploads=uploads)


def open_catalog(address: str, *, credentials: Callable[[], Credentials] | None = None) -> Catalog:
    """The catalog at an address: ``sqlite:///PATH`` or ``firestore://PROJECT/DATABASE``."""
    parts = urlsplit(address)
    if parts.scheme == "firestore":
        from panoptes.network.catalog.firestore import FirestoreCatalog

        return FirestoreCatalog(
            parts.netloc,
            parts.path.strip("/") or "(default)",
            credentials=None if credentials is None else credentials(),
        )
    from panoptes.network.catalog.sqlite import SqliteCatalog

    return SqliteCatalog(Path(place_of(address.removeprefix("sqlite:///"))))
