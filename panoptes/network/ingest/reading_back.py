"""What a store really holds, by reading it: its own word may be older than the damage."""

from __future__ import annotations

from panoptes.network.documents import Location, Output
from panoptes.network.errors import BadInput
from panoptes.network.site import Site
from panoptes.network.storage.checksums import CHUNK, Crc32c
from panoptes.network.storage.store import NotFound, ObjectInfo, Unreadable


def read_back(site: Site, location: Location, info: ObjectInfo) -> str | None:
    """The CRC32C of an object's bytes, read in pieces; empty if they cannot be read, None if
    the object changed meanwhile."""
    store, running = site.store(location), Crc32c()
    try:
        while running.size < info.size:
            data = store.read_range(info.name, running.size, running.size + 8 * CHUNK)
            if not data:
                break
            running.update(data)
        after = store.stat(info.name)
    except NotFound:
        return None
    except (BadInput, Unreadable):
        return ""
    return running.base64 if after.generation == info.generation else None


def holds(site: Site, output: Output, info: ObjectInfo) -> bool:
    """Whether an object, of which its store says `info`, has the bytes of `output`.

    A bucket reckons checksums itself and watches over its disks: its word is enough. A file
    on this machine is read, since a disk may have lost bits under the same time and size.
    """
    return info.size == output.size and (checksum_of(site, output.location, info) == output.crc32c)


def checksum_of(site: Site, location: Location, info: ObjectInfo) -> str | None:
    """The CRC32C of an object, of a file by reading it; as `read_back` gives it."""
    vouched = info.crc32c if site.store(location).vouches else None
    return vouched or read_back(site, location, info)
