"""The catalog in the cloud: documents in a Firestore database.

Writes go by compare-and-set on the update time, never in read-write transactions: those
hold locks, and on a contended document nearly all of them fail.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blocks.catalog import (
    Conflict,
    Create,
    Fields,
    Query,
    Stored,
    Update,
    checked,
    checked_batch,
)
from blocks.firestore_link import FirestoreLink
from blocks.firestore_wire import (
    cursor_behind,
    field_path,
    from_document,
    timestamp_of,
    to_query,
    to_values,
    version_of,
)
from blocks.queries import Plan, parts, plan, plan_sums
from blocks.values import check_key
from models.errors import ConfigurationError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud.firestore_v1.types import (
        Cursor,
        Document,
        Precondition,
        StructuredAggregationQuery,
        StructuredQuery,
        Write,
    )
    from google.protobuf.timestamp_pb2 import Timestamp

_PAGE = 300
_REMEMBERED = 64


class FirestoreCatalog:
    """A `blocks.catalog.Catalog` in a project's Firestore database.

    With an `emulator` (``HOST:PORT``, or the variable ``FIRESTORE_EMULATOR_HOST``) no
    credentials are needed; otherwise they are the application's default ones unless
    given. May be pickled, if the credentials can, and shared by threads. A server that
    does not answer is given up within ten seconds.
    """

    def __init__(
        self,
        project: str,
        database: str = "(default)",
        *,
        credentials: Credentials | None = None,
        emulator: str | None = None,
    ) -> None:
        self.project = project
        self.database = database
        self.emulator = emulator or os.environ.get("FIRESTORE_EMULATOR_HOST") or None
        self._credentials = credentials
        self._link = FirestoreLink(project, database, credentials, self.emulator)
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], Document] = OrderedDict()

    def __reduce__(self) -> tuple[Callable[..., FirestoreCatalog], tuple[Any, ...]]:
        return (_catalog, (self.project, self.database, self._credentials, self.emulator))

    def __repr__(self) -> str:
        return f"FirestoreCatalog({self.project!r}, {self.database!r})"

    def get(self, collection: str, key: str) -> Stored | None:
        check_key(collection, key)
        document = self._get(self._name(collection, key))
        return self._stored(document) if document is not None else None

    def create(self, collection: str, key: str, fields: Fields) -> Stored:
        write = checked(Create(collection, key, fields))
        version = self._link.commit([self._to_create(write)])
        return Stored(collection, key, write.fields, version)

    def update(
        self, collection: str, key: str, fields: Fields, *, version: str, remove: Sequence[str] = ()
    ) -> Stored:
        write = checked(Update(collection, key, fields, version, remove))
        name = self._name(collection, key)
        # The answer to a write holds no fields, so those before it must be known.
        before = self._seen.get((name, version)) or self._get(name)
        if before is None or _version(before) != version:
            raise Conflict(f"{collection}/{key}")
        written = self._link.commit([self._to_update(write)])
        merged = {**from_document(before), **write.fields}
        for removed in remove:
            merged.pop(removed, None)
        return Stored(collection, key, merged, written)

    def delete(self, collection: str, key: str, *, version: str) -> None:
        from google.cloud.firestore_v1.types import Write

        check_key(collection, key)
        name = self._name(collection, key)
        self._link.commit([Write(delete=name, current_document=_unchanged(name, version))])

    def write_batch(self, writes: Iterable[Create | Update]) -> None:
        batch = checked_batch(writes)
        if batch:
            self._link.commit(
                [
                    self._to_create(write) if isinstance(write, Create) else self._to_update(write)
                    for write in batch
                ]
            )

    def query(self, query: Query) -> Iterator[Stored]:
        planned = plan(query)
        return iter(()) if planned.is_empty else self._pages(planned)

    def aggregate(self, query: Query, *, sums: Sequence[str] = ()) -> Mapping[str, float]:
        planned = plan_sums(query, sums)
        if planned.is_empty:
            return dict.fromkeys(("count", *sums), 0)
        # One request a sum: together they would pass over the documents that lack one
        # field, https://cloud.google.com/firestore/docs/query-data/aggregation-queries.
        # They read at one moment all the same.
        structured = to_query(planned, self._link.documents, None, planned.limit, by_key=not sums)
        count, moment = self._aggregate(structured, None, None)
        found: dict[str, float] = {"count": int(count)}
        for path in sums:
            found[path], _ = self._aggregate(structured, path, moment)
        return found

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

    def _get(self, name: str) -> Document | None:
        document = self._link.get(name)
        if document is not None:
            self._remember(document)
        return document

    def _remember(self, document: Document) -> None:
        """Keep what was read last: versions are unique, so it never becomes wrong."""
        with self._lock:
            self._seen[document.name, _version(document)] = document
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)

    def _stored(self, document: Document) -> Stored:
        collection, key = document.name.rsplit("/", 2)[1:]
        return Stored(collection, key, from_document(document), _version(document))

    def _to_create(self, write: Create) -> Write:
        from google.cloud.firestore_v1.types import Document, Precondition
        from google.cloud.firestore_v1.types import Write as Message

        name = self._name(write.collection, write.key)
        return Message(
            update=Document(name=name, fields=to_values(write.fields)),
            current_document=Precondition(exists=False),
        )

    def _to_update(self, write: Update) -> Write:
        from google.cloud.firestore_v1.types import Document, DocumentMask
        from google.cloud.firestore_v1.types import Write as Message

        # A field that the mask names and the document lacks is removed.
        named = (*write.fields, *dict.fromkeys(write.remove))
        name = self._name(write.collection, write.key)
        return Message(
            update=Document(name=name, fields=to_values(write.fields)),
            update_mask=DocumentMask(field_paths=[field_path((field,)) for field in named]),
            current_document=_unchanged(name, write.version),
        )

    def _pages(self, planned: Plan) -> Iterator[Stored]:
        """All documents as they were when the first page was read."""
        cursor: Cursor | None = None
        moment: Timestamp | None = None
        left = planned.limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            query = to_query(planned, self._link.documents, cursor, size)
            documents, moment = self._page(query, moment)
            yield from map(self._stored, documents)
            if len(documents) < size:
                return
            cursor = cursor_behind(planned, documents[-1])
            left = None if left is None else left - size

    def _page(
        self, query: StructuredQuery, moment: Timestamp | None
    ) -> tuple[list[Document], Timestamp | None]:
        from google.cloud.firestore_v1.types import RunQueryRequest, RunQueryResponse

        request = RunQueryRequest(
            parent=self._link.documents, structured_query=query, read_time=moment
        )
        responses = self._link.run_query(request)
        documents = [each.document for each in responses if "document" in each]
        return documents, RunQueryResponse.pb(responses[0]).read_time if responses else moment

    def _aggregate(
        self, query: StructuredQuery, path: str | None, moment: Timestamp | None
    ) -> tuple[float, Timestamp]:
        from google.cloud.firestore_v1.types import (
            RunAggregationQueryRequest,
            RunAggregationQueryResponse,
        )

        request = RunAggregationQueryRequest(
            parent=self._link.documents,
            structured_aggregation_query=_aggregation(query, path),
            read_time=moment,
        )
        responses = self._link.run_aggregation(request)
        response = RunAggregationQueryResponse.pb(responses[0])
        value = response.result.aggregate_fields["answer"]
        return float(getattr(value, value.WhichOneof("value_type"))), response.read_time


def _catalog(
    project: str, database: str, credentials: Credentials | None, emulator: str | None
) -> FirestoreCatalog:
    return FirestoreCatalog(project, database, credentials=credentials, emulator=emulator)


def _version(document: Document) -> str:
    return version_of(type(document).pb(document).update_time)


def _unchanged(name: str, version: str) -> Precondition:
    from google.cloud.firestore_v1.types import Precondition

    timestamp = timestamp_of(version)
    if timestamp is None:
        raise Conflict(f"{name} never had the version {version!r}")
    return Precondition(update_time=timestamp)


def _aggregation(query: StructuredQuery, path: str | None) -> StructuredAggregationQuery:
    from google.cloud.firestore_v1.types import StructuredAggregationQuery, StructuredQuery

    aggregation = StructuredAggregationQuery.Aggregation
    if path is None:
        wanted = aggregation(count=aggregation.Count(), alias="answer")
    else:
        field = StructuredQuery.FieldReference(field_path=field_path(parts(path)))
        wanted = aggregation(sum=aggregation.Sum(field=field), alias="answer")
    return StructuredAggregationQuery(structured_query=query, aggregations=[wanted])
