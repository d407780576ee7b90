"""What images say of their unit, camera and observation, independent of who comes first.

The earliest image that says a thing describes the document with it, so that any order and
any overlap of runs ends in the same document. `described_by` holds, for each such field,
which image that was. A value that nobody of ours wrote is somebody else's, and is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from panoptes.network.catalog.catalog import Fields
from panoptes.network.names import FileType, UploadName


def rank(upload: UploadName) -> str:
    """Sorts as images do by time, and the FITS file of an image before its camera raw."""
    assert upload.image_time is not None
    return f"{upload.image_time}~raw" if upload.file_type is FileType.CR2 else upload.image_time


def ours_of(described_by: object) -> dict[str, str]:
    """The entries of `described_by` that are ours; a field of another program has none."""
    if not isinstance(described_by, dict):
        return {}
    return {k: v for k, v in described_by.items() if isinstance(k, str) and isinstance(v, str)}


def merge_first_writer(
    said: Mapping[str, Any],
    stored: Fields,
    by: str,
    *,
    together: Sequence[Sequence[str]] = (),
    placeholders: Mapping[str, Any] | None = None,
) -> Fields:
    """The fields that an image of rank `by` gives to a document.

    Fields `together` are taken from one image or not at all. A stored value that is its
    `placeholders` entry counts as none.
    """
    described = ours_of(stored.get("described_by"))
    empty = placeholders or {}
    fields: Fields = {}
    joined = {name for names in together for name in names}
    for names in (*together, *((name,) for name in said if name not in joined)):
        if any(said.get(name) is None for name in names):
            continue
        earlier = described.get(names[0])
        if earlier is None:
            if any(stored.get(n) not in (None, "", empty.get(n)) for n in names):
                continue  # theirs
        elif by > earlier:
            continue
        fields |= {name: said[name] for name in names}
        described |= dict.fromkeys(names, by)
    return fields | ({"described_by": described} if described else {})
