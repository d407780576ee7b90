"""A document of another program's, completed where it lacks what this release writes."""

from __future__ import annotations

from pydantic import ValidationError

from panoptes.network.catalog.catalog import Fields
from panoptes.network.documents import SCHEMA_VERSION, Document, folded, healpix_of, version_of
from panoptes.network.ingest.provenance import recorded_sources

_EMPTY = (None, "")


def completed(kind: type[Document], before: Fields, ids: Fields, said: Fields, path: str) -> Fields:
    """The changes that make a document of `kind` of what there is.

    `ids` follow from its key and hold; of what was `said`, what it has already stays.
    """
    changes = {k: v for k, v in ids.items() if before.get(k) != v}
    is_itself = path.count("/") == 1
    earlier = _adopted_from(before, path)
    for name, value in said.items():
        stored = before.get(name)
        is_unread = is_itself and not isinstance(stored, type(value))
        if value is not None and (
            stored in _EMPTY or is_unread or (name in earlier and stored == earlier[name])
        ):
            changes[name] = value
    changes["schema_version"] = SCHEMA_VERSION
    if ours := recorded_sources(before):
        changes["sources"] = {k: v for k, v in before["sources"].items() if k in ours}
    changes |= dict.fromkeys(_unreadable(kind, before | changes))
    if is_itself and version_of(before) is None:
        theirs = {k: v for k, v in before.items() if k in kind.model_fields and ids.get(k) != v}
        changes["adopted"] = {"document": path, "said": theirs | earlier}
    elif is_itself:
        unsaid = {
            k: before[k]
            for k, v in changes.items()
            if k != "schema_version" and before.get(k) not in _EMPTY and before[k] != v
        }
        if unsaid:
            changes["adopted"] = {"document": path, "said": unsaid | earlier}
    elif not before or earlier:
        given = {k: v for k, v in said.items() if v is not None}
        changes["adopted"] = {"document": path, "said": given}
    return changes


def _adopted_from(before: Fields, path: str) -> Fields:
    adopted = before.get("adopted")
    if not isinstance(adopted, dict) or adopted.get("document") != path:
        return {}
    said = adopted.get("said")
    return said if isinstance(said, dict) else {}


def _unreadable(kind: type[Document], fields: Fields) -> set[str]:
    """Fields with our names in which another program keeps something else."""
    try:
        kind.model_validate(fields)
    except ValidationError as error:
        return {str(each["loc"][0]) for each in error.errors()} & fields.keys()
    return set()


def lacking(fields: Fields, before: Fields) -> Fields:
    """What a document has not, or has empty."""
    return {k: v for k, v in fields.items() if v is not None and before.get(k) in _EMPTY}


def cell_of(fields: Fields, ra: str, dec: str) -> int | None:
    """The HEALPix cell of the place (degrees) that two fields give, if they do."""
    east, north = fields.get(ra), fields.get(dec)
    if not isinstance(east, int | float) or not isinstance(north, int | float):
        return None
    return healpix_of(east, north)


def underived(observation: Fields | None) -> Fields:
    """What this release derives of an observation and an earlier one of ours did not."""
    fields = observation or {}
    name = fields.get("field_name")
    wanted = {"field_folded": folded(name)} if isinstance(name, str) else {}
    return {k: v for k, v in wanted.items() if fields.get(k) != v}
