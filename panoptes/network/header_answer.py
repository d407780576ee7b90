"""The header of a stored file, as the network answers it."""

from __future__ import annotations

from collections.abc import Collection

from panoptes.network.documents import Location
from panoptes.network.errors import BadInput
from panoptes.network.fits.header_json import Json, hdu_json
from panoptes.network.header import NoSuchHdu, read_header, read_headers
from panoptes.network.object_paths import BadPath, Hidden, NotOurs, paths_meant, public_url
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound, ObjectStore, Unreadable

ALL = "all"


def stored_header(
    site: Site,
    bucket_path: str,
    hdu: int | str | None = None,
    bucket_name: str | None = None,
    files_url: str | None = None,
    hidden: Collection[Location] = (),
) -> dict[str, Json]:
    """``{success, header, ...}`` of the file that `bucket_path` means (see `object_paths`).

    `hdu` is a number, a name, ``all`` (then under ``headers``, too), or None for the
    image's own. FILENAME is the file's public URL, whatever the file says. Nothing is read
    in `hidden` locations. Raises BadPath, NotOurs, Hidden, NotFound, NoSuchHdu, TransientError,
    and BadInput.
    """
    paths = paths_meant(site, bucket_path, bucket_name=bucket_name, files_url=files_url)
    if all(path.location in hidden for path in paths):
        raise Hidden(f"{paths[0].location} is only shown to callers with a token")
    paths = [path for path in paths if path.location not in hidden]
    for path in paths:
        url = public_url(site, path, files_url=files_url)
        try:
            found = read_answer(site.store(path.location), path.name, hdu, url)
        except (NotFound, Unreadable):
            continue  # their messages may say where on this machine the store is
        except ValueError as error:
            raise BadPath(f"{path.name!r} is no name of a file") from error
        return {"success": True, "location": path.location, "path": path.name, **found}
    looked = ", ".join(dict.fromkeys(path.location for path in paths))
    raise NotFound(f"there is no {paths[0].name!r} in {looked} that can be read")


def read_answer(store: ObjectStore, name: str, hdu: int | str | None, url: str) -> dict[str, Json]:
    """``{header, hdu}`` of an object, and ``headers`` for ``all``; FILENAME is `url`."""
    answer: dict[str, Json] = {}
    if hdu == ALL:
        found = read_headers(store, name)
        everything: list[Json] = [_named(hdu_json(each), url) for each in found]
        answer["headers"] = everything
        own = next((each for each in found[:2] if each.holds_image), found[0])
    else:
        own = read_header(store, name, hdu)
    shown = _named(hdu_json(own), url)
    return {"header": shown.pop("header"), "hdu": shown, **answer}


def _named(shown: dict[str, Json], url: str) -> dict[str, Json]:
    header = shown["header"]
    assert isinstance(header, dict)
    header["FILENAME"] = url
    return shown


REFUSALS = (BadPath, NotOurs, NotFound, NoSuchHdu, BadInput)
"""What is the caller's or the file's fault, each with a sentence."""
