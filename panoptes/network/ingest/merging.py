"""What an image says, merged into documents that say something already.

Unit, camera and observation are described by the earliest image that says a thing, so that any
order and any overlap of runs ends in the same document. `described_by` holds, for each such
field, which image that was. A value that nobody of ours wrote is somebody else's, and is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from panoptes.network.catalog.catalog import Fields
from panoptes.network.documents import SCHEMA_VERSION, version_of
from panoptes.network.ingest.provenance import recorded_sources


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
    by_image = stored.get("described_by")
    described: dict[str, str] = {}
    if isinstance(by_image, dict):  # else a field of another program
        described = {k: v for k, v in by_image.items() if isinstance(v, str)}
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
        elif by > earlier and by.lstrip("~") != earlier.lstrip("~"):
            continue  # an image's own later upload may be of another type
        fields |= {name: said[name] for name in names}
        described |= dict.fromkeys(names, by)
    return fields | ({"described_by": described} if described else {})


def kept_words(stored: Fields, fields: Fields, path: str) -> Fields:
    """What another program wrote where we write, kept beside; and a newer release's version.

    Of a document of ours that can only be among an image's `sources`.
    """
    changes: Fields = {}
    version = version_of(stored)
    if (version or 0) > SCHEMA_VERSION:
        changes["schema_version"] = version
    words = {} if version else {k: v for k, v in stored.items() if k in fields}
    words = {k: v for k, v in words.items() if v not in (None, "") and v != fields[k]}
    words.pop("adopted", None)
    sources = stored.get("sources")
    if "sources" in fields and isinstance(sources, dict):
        ours = recorded_sources(stored)
        foreign = {k: v for k, v in sources.items() if k not in ours}
        words = {k: v for k, v in words.items() if k != "sources"}
        words |= {"sources": foreign} if foreign else {}
    if words:
        adopted = stored.get("adopted")
        said = adopted.get("said") if isinstance(adopted, dict) else None
        changes["adopted"] = {
            "document": path,
            **(adopted if isinstance(adopted, dict) else {}),
            "said": words | (said if isinstance(said, dict) else {}),
        }
    return changes


def only_missing(fields: Fields, before: Fields | None) -> Fields:
    """The fields that the stored document has not, or has empty."""
    return {k: v for k, v in fields.items() if (before or {}).get(k) in (None, "")}
