"""Which object of the network a caller means: names, ``gs://`` and public URLs, read strictly.

Nothing outside of the network's own locations can be named, by any spelling: a name is
decoded at most once, and what would change its meaning if it were decoded again is refused.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from panoptes.network.documents import Location
from panoptes.network.errors import BadInput
from panoptes.network.file_types import ARCHIVE, FILE_TYPES
from panoptes.network.names import MAX_NAME_BYTES, parse_upload
from panoptes.network.settings import LOCATIONS
from panoptes.network.site import Site

SEARCHED: tuple[Location, ...] = ("images", "incoming", "rgb")
"""Where a name without a location is looked for, in this order."""

FORMER_BUCKETS = frozenset({"panoptes-raw-images", "panoptes-images-incoming"})
"""Buckets of the network's earlier services. Their paths are still valid names here."""

_PUBLIC_HOSTS = ("storage.googleapis.com", "storage.cloud.google.com")


class BadPath(ValueError):
    """This names no object of any store; the message says why."""


class NotOurs(LookupError):
    """This names an object, but in none of the network's locations."""


class Hidden(LookupError):
    """This names an object in a location that is not shown to everyone."""


class ObjectPath(NamedTuple):
    """An object of the network."""

    location: Location
    name: str


def paths_meant(
    site: Site,
    bucket_path: str,
    *,
    bucket_name: str | None = None,
    files_url: str | None = None,
) -> list[ObjectPath]:
    """The objects that `bucket_path` can mean, best first.

    It is a name, ``LOCATION/NAME``, ``gs://BUCKET/NAME``, the public URL of an object in
    Cloud Storage, or a URL below `files_url`, this service's own. `bucket_name` is a
    location or a bucket. Raises BadPath and NotOurs.
    """
    if not bucket_path.isprintable():
        raise BadPath("the path holds control characters or broken text")
    bucket, name = _bucket_and_name(bucket_path, files_url)
    if bucket is None or bucket in FORMER_BUCKETS:
        bucket = bucket_name or None
    location = _location(bucket)
    if location is not None:
        return [ObjectPath(location, checked_name(name))]
    if bucket is not None and bucket not in FORMER_BUCKETS:
        return [_in_bucket(site, bucket, name)]
    first, _, rest = name.partition("/")
    location = _location(first)
    if location is not None and rest:
        return [ObjectPath(location, checked_name(rest))]
    return _wherever(checked_name(name))


def checked_name(name: str) -> str:
    """The name, if an object can have it. Raises BadPath."""
    shown = repr(name if len(name) <= 80 else f"{name[:80]}...")
    if not name:
        raise BadPath("the path is empty: name a file, such as UNIT/CAMERA/SEQUENCE/IMAGE.fits.fz")
    if not name.isprintable() or "\\" in name:
        raise BadPath(f"{shown} holds backslashes, control characters or broken text")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise BadPath(f"{shown} is longer than {MAX_NAME_BYTES} bytes")
    if name.startswith("/"):
        raise BadPath(f"{shown} is absolute; paths are relative to a location of the network")
    for part in name.split("/"):
        again = unquote(unquote(part))
        if part in ("", ".", "..") or again in (".", "..") or set(again) & {"/", "\\", "\0"}:
            raise BadPath(f"{shown} has an empty, '.' or '..' part")
        if part.casefold() == ".panoptes":
            raise BadPath(f"{shown} lies in a folder that belongs to the store")
    return name


def public_url(site: Site, path: ObjectPath, *, files_url: str | None = None) -> str:
    """Where anybody who may can fetch an object; ``LOCATION/NAME`` where no URL leads to it."""
    address = urlsplit(getattr(site.settings, path.location))
    if address.scheme == "gs":
        name = "/".join(filter(None, (address.path.strip("/"), path.name)))
        return f"https://{_PUBLIC_HOSTS[0]}/{address.netloc}/{quote(name)}"
    base = files_url.rstrip("/") + "/" if files_url else ""
    return f"{base}{path.location}/{quote(path.name) if base else path.name}"


def _location(name: str | None) -> Location | None:
    return next((each for each in LOCATIONS if each == name), None)


def _bucket_and_name(text: str, files_url: str | None) -> tuple[str | None, str]:
    if text.startswith("gs://"):
        bucket, _, name = text.removeprefix("gs://").partition("/")
        return bucket, name
    if text.lower().startswith(("http://", "https://")):
        return _from_url(text, files_url)
    if "://" in text:
        raise BadPath(f"{text[:80]!r}: only gs:// and http(s):// addresses are understood")
    return None, text


def _from_url(text: str, files_url: str | None) -> tuple[str | None, str]:
    try:
        url = urlsplit(text)
        host = (url.hostname or "").casefold()
    except ValueError as error:
        raise BadPath(f"{text[:80]!r} is no URL: {error}") from None
    try:
        path = unquote(url.path, errors="strict").removeprefix("/")
    except UnicodeDecodeError:
        raise BadPath(f"{text[:80]!r} is not UTF-8 when decoded") from None
    if files_url is not None:
        own = urlsplit(files_url)
        base = unquote(own.path).strip("/") + "/"
        if (url.scheme, url.netloc) == (own.scheme, own.netloc) and path.startswith(base):
            location, _, name = path.removeprefix(base).partition("/")
            if _location(location) is None:
                raise NotOurs(f"{location[:80]!r} is no location of this network")
            return location, name
    try:
        port = url.port
    except ValueError as error:
        raise BadPath(f"{text[:80]!r} is no URL: {error}") from None
    if url.username is None and port in (None, 80, 443):
        if host in _PUBLIC_HOSTS:
            bucket, _, name = path.partition("/")
            return bucket, name
        for public in _PUBLIC_HOSTS:
            if host.endswith(f".{public}"):
                return host.removesuffix(f".{public}"), path
    raise NotOurs(f"{text[:80]!r} leads to none of this network's locations")


def _in_bucket(site: Site, bucket: str, name: str) -> ObjectPath:
    """The location that an object of a bucket lies in, the one with the longest prefix."""
    checked_name(name)
    found: list[tuple[int, ObjectPath]] = []
    for location in LOCATIONS:
        address = urlsplit(getattr(site.settings, location))
        prefix = f"{address.path.strip('/')}/".removeprefix("/")
        inside = name.startswith(prefix) and name != prefix
        if address.scheme == "gs" and address.netloc == bucket and inside:
            found.append((len(prefix), ObjectPath(location, name.removeprefix(prefix))))
    if not found:
        raise NotOurs(f"the bucket {bucket[:80]!r} holds none of this network's locations")
    return max(found)[1]


def _wherever(name: str) -> list[ObjectPath]:
    """A name without a location; an uploaded name also means what it was archived as."""
    try:
        upload = parse_upload(name)
    except BadInput:
        archived = name
    else:
        row = FILE_TYPES[upload.file_type]
        archived = f"{upload.stem}.{row.kept_suffix}" if row.kept is ARCHIVE else name
    names = dict.fromkeys([name, archived])
    paths = [ObjectPath("images", each) for each in names]
    return paths + [ObjectPath(location, name) for location in SEARCHED[1:]]
