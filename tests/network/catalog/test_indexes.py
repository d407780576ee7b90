"""The declared indexes: Firestore has to be told of those over several fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from panoptes.network.catalog.catalog import Operator, Query
from panoptes.network.catalog.queries import FIELDS, UNINDEXED, Index, composites
from panoptes.network.documents import (
    Camera,
    Document,
    File,
    Image,
    LightCurveSummary,
    Observation,
    Unit,
)
from tests.recording import missing_index

ONE: tuple[str, Operator, Any] = ("sequence_id", "==", "PAN001_14d3bd_20180216T110623")


def firestore_indexes() -> dict[str, Any]:
    """The contents of ``firestore.indexes.json``, as the Firebase and Terraform tools read it."""
    return {
        "indexes": [
            {
                "collectionGroup": index.collection,
                "queryScope": "COLLECTION",
                "fields": [
                    {"fieldPath": name, "order": "DESCENDING" if descending else "ASCENDING"}
                    for name, descending in index.ordered
                ],
            }
            for index in composites()
        ],
        "fieldOverrides": [
            {"collectionGroup": collection, "fieldPath": field, "indexes": []}
            for collection, fields in UNINDEXED.items()
            for field in fields
        ],
    }


def test_the_file_for_firestore_says_what_is_declared(repository: Path) -> None:
    file = repository / "deployments" / "cloud" / "firestore.indexes.json"
    wanted = json.dumps(firestore_indexes(), indent=2)
    assert json.loads(file.read_text()) == firestore_indexes(), f"replace its text by:\n{wanted}"


def test_no_map_or_list_is_indexed_and_whatever_can_be_asked_is() -> None:
    documents: dict[str, type[Document]] = {
        "cameras": Camera,
        "files": File,
        "images": Image,
        "lightcurves": LightCurveSummary,
        "observations": Observation,
        "units": Unit,
    }
    for collection, document in documents.items():
        whole = {name for name, about in document.model_fields.items() if holds_more(about)}
        assert set(UNINDEXED[collection]) == whole
        assert not whole & FIELDS.keys()
    assert UNINDEXED.keys() == documents.keys()


def holds_more(about: FieldInfo) -> bool:
    """Whether a field is a map or a list."""
    kinds = [kind for kind in (about.annotation, *get_args(about.annotation)) if kind]
    kinds = [get_origin(kind) or kind for kind in kinds]
    return any(isinstance(k, type) and issubclass(k, dict | list | BaseModel) for k in kinds)


@pytest.mark.parametrize(
    "query",
    [
        Query("images"),
        Query("images", where=[ONE]),
        Query("files", where=[ONE, ("outcome", "==", "failed")]),
        Query("images", where=[ONE], order_by=[("time", "asc")]),
        Query("observations", where=[("unit_id", "==", "PAN001")], order_by=[("time", "desc")]),
        Query("leases", where=[("expires", "<", datetime(2018, 2, 16, tzinfo=UTC))]),
        Query("images", where=[ONE], order_by=[("sequence_id", "desc")]),
        Query("anything", order_by=[("name", "desc")]),
    ],
    ids=str,
)
def test_a_query_over_one_field_or_a_declared_index_is_answered(query: Query) -> None:
    assert missing_index(query) is None


def test_a_query_that_production_would_refuse_names_its_index() -> None:
    query = Query("images", where=[ONE], order_by=[("name", "desc")])
    assert missing_index(query) == Index("images", ("sequence_id", "name desc"))
    query = Query("images", where=[ONE, ("healpix", ">", 100)])
    assert missing_index(query) == Index("images", ("sequence_id", "healpix"))


def test_a_sum_along_a_condition_wants_an_index_too() -> None:
    ingested = Query("images", where=[ONE, ("status", "in", ["received", "uploaded"])])
    assert missing_index(ingested, sums=["exptime"]) is None
    assert missing_index(Query("images"), sums=["healpix"]) is None
    wanted = Index("images", ("sequence_id", "status", "healpix"))
    assert missing_index(ingested, sums=["exptime", "healpix"]) == wanted
