"""The catalog in the cloud: documents in a Firestore database.

Writes go by compare-and-set on the update time, never in read-write transactions: those
hold locks, and on a contended document nearly all of them fail. Google's library takes a
second to import: this module is imported where such a catalogue is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from google.auth.credentials import Credentials
from google.cloud.firestore_v1.field_path import FieldPath
from google.cloud.firestore_v1.types import (
    Document,
    DocumentMask,
    Precondition,
    RunAggregationQueryRequest,
    RunAggregationQueryResponse,
    RunQueryRequest,
    RunQueryResponse,
    Write,
)
from google.protobuf.timestamp_pb2 import Timestamp

from panoptes.network.catalog.catalog import (
    AlreadyExists,
    Conflict,
    Fields,
    Query,
    Stored,
    checked_update,
)
from panoptes.network.catalog.firestore_link import FirestoreLink
from panoptes.network.catalog.firestore_wire import (
    from_document,
    newest_query,
    timestamp_of,
    to_group_query,
    to_query,
    to_sum,
    to_values,
    version_of,
)
from panoptes.network.catalog.queries import Plan, plan, plan_sums
from panoptes.network.catalog.values import check_key, clean_fields
from panoptes.network.errors import ConfigurationError

_PAGE = 300


class FirestoreCatalog:
    """A `panoptes.network.catalog.catalog.Catalog` in a project's Firestore database.

    With the variable ``FIRESTORE_EMULATOR_HOST`` no credentials are needed; otherwise they
    are the application's default ones unless given. May be pickled, if the credentials can,
    forked and shared by threads. A server that does not answer is given up within ten seconds.
    """

    def __init__(
        self, project: str, database: str = "(default)", credentials: Credentials | None = None
    ) -> None:
        self.project = project
        self.database = database
        self._credentials = credentials
        self._link = FirestoreLink(project, database, credentials)

    def __reduce__(self) -> tuple[type[FirestoreCatalog], tuple[Any, ...]]:
        return (type(self), (self.project, self.database, self._credentials))

    def __repr__(self) -> str:
        return f"FirestoreCatalog({self.project!r}, {self.database!r})"

    def get(self, collection: str, key: str) -> Stored | None:
        document = self._link.get(self._name(collection, key))
        return _stored(document) if document is not None else None

    def create(self, collection: str, key: str, fields: Fields) -> None:
        self._link.commit(self._new(collection, key, fields))

    def create_missing(self, collection: str, documents: Mapping[str, Fields]) -> None:
        writes = [self._new(collection, key, fields) for key, fields in documents.items()]
        try:
            self._link.commit(*writes)
        except AlreadyExists:
            for write in writes:
                with suppress(AlreadyExists):
                    self._link.commit(write)

    def _new(self, collection: str, key: str, fields: Fields) -> Write:
        document = Document(
            name=self._name(collection, key), fields=to_values(clean_fields(fields))
        )
        return Write(update=document, current_document=Precondition(exists=False))

    def update(
        self, collection: str, key: str, fields: Fields, *, version: str, remove: Sequence[str] = ()
    ) -> None:
        fields, dropped = checked_update(collection, key, fields, remove)
        name = self._name(collection, key)
        # A field that the mask names and the document lacks is removed.
        mask = [FieldPath(field).to_api_repr() for field in (*fields, *dropped)]
        self._link.commit(
            Write(
                update=Document(name=name, fields=to_values(fields)),
                update_mask=DocumentMask(field_paths=mask),
                current_document=_unchanged(name, version),
            )
        )

    def delete(self, collection: str, key: str, *, version: str) -> None:
        name = self._name(collection, key)
        self._link.commit(Write(delete=name, current_document=_unchanged(name, version)))

    def query(self, query: Query) -> Iterator[Stored]:
        return self._pages(plan(query))

    def aggregate(self, query: Query, *, sums: Sequence[str] = ()) -> Mapping[str, float]:
        planned, found = plan_sums(query, sums), {}
        moment: Timestamp | None = None
        # One request a sum: together they would pass over the documents that lack one
        # field, https://cloud.google.com/firestore/docs/query-data/aggregation-queries.
        # They read at one moment all the same.
        for field in (None, *sums):
            request = RunAggregationQueryRequest(
                parent=self._link.documents,
                structured_aggregation_query=to_sum(planned, field),
                read_time=moment,
            )
            (answer, *_) = self._link.run_aggregation(request)
            response = RunAggregationQueryResponse.pb(answer)
            value = response.result.aggregate_fields["answer"]
            found[field or "count"] = getattr(value, value.WhichOneof("value_type"))
            moment = response.read_time
        return found

    def newest_below(
        self,
        collection: str,
        key: str,
        below: str,
        *,
        order: str,
        limit: int,
        since: datetime | None = None,
        before: datetime | None = None,
    ) -> list[Stored]:
        """Documents of a collection below a document, which other software writes.

        The newest by a time that they hold come first, from `since` up to `before` where these
        are given; those without it are left out.
        """
        check_key(below, "any")
        query = newest_query(below, order, limit, since, before)
        request = RunQueryRequest(parent=self._name(collection, key), structured_query=query)
        responses = self._link.run_query(request)
        return [_stored(each.document) for each in responses if "document" in each]

    def nested(
        self, collection: str, *, below: str = "", after: Stored | None = None, limit: int
    ) -> list[Stored]:
        root = self._link.documents
        # Flat collections of the same name are passed over: their documents come first.
        behind = f"units/0/{collection}/0" if after is None else f"{after.collection}/{after.key}"
        request = RunQueryRequest(
            parent=f"{root}/{below}" if below else root,
            structured_query=to_group_query(collection, f"{root}/{behind}", limit),
        )
        found = [each.document for each in self._link.run_query(request) if "document" in each]
        return [_nested(document, root) for document in found]

    def check(self) -> None:
        try:
            self.get("units", "PAN000")
        except ValueError as error:
            raise ConfigurationError(f"{self._link.place} cannot be used: {error}.") from error

    def close(self) -> None:
        self._link.close()

    def _name(self, collection: str, key: str) -> str:
        check_key(collection, key)
        return f"{self._link.documents}/{collection}/{key}"

    def _pages(self, planned: Plan) -> Iterator[Stored]:
        """All documents as they were when the first page was read."""
        moment: Timestamp | None = None
        left = planned.limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            query = to_query(replace(planned, limit=size), self._link.documents)
            request = RunQueryRequest(
                parent=self._link.documents, structured_query=query, read_time=moment
            )
            responses = self._link.run_query(request)
            page = [_stored(each.document) for each in responses if "document" in each]
            yield from page
            if len(page) < size:
                return
            moment = RunQueryResponse.pb(responses[0]).read_time
            last = page[-1]
            behind = (last.fields[planned.order] if planned.order else None, last.key)
            planned = replace(planned, after=behind)
            left = None if left is None else left - size


def _stored(document: Document) -> Stored:
    collection, key = document.name.rsplit("/", 2)[1:]
    version = version_of(type(document).pb(document).update_time)
    return Stored(collection, key, from_document(document), version)


def _nested(document: Document, root: str) -> Stored:
    stored = _stored(document)
    return replace(stored, collection=document.name[len(root) + 1 : -len(stored.key) - 1])


def _unchanged(name: str, version: str) -> Precondition:
    timestamp = timestamp_of(version)
    if timestamp is None:
        raise Conflict(f"{name} never had the version {version!r}")
    return Precondition(update_time=timestamp)
