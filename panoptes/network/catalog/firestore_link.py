"""The connection to one Firestore database: calls, their short patience, their errors."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth.credentials import Credentials
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport
from google.cloud.firestore_v1.types import (
    Document,
    RunAggregationQueryRequest,
    RunAggregationQueryResponse,
    RunQueryRequest,
    RunQueryResponse,
    Write,
)

from panoptes.network.catalog.catalog import AlreadyExists, Conflict
from panoptes.network.errors import ConfigurationError, TransientError

T = TypeVar("T")

_CALL_SECONDS = 4.0
_RETRY_SECONDS = 5.0

_inherited: list[object] = []
"""Connections of a parent process: closing one in a forked child could wait for ever."""


class FirestoreLink:
    """Opened at first use, shared by threads; a forked child opens its own."""

    def __init__(self, project: str, database: str, credentials: Credentials | None) -> None:
        self.root = f"projects/{project}/databases/{database}"
        self.documents = f"{self.root}/documents"
        self.place = f"The Firestore database {database} of project {project}"
        self._credentials = credentials
        self._emulator = os.environ.get("FIRESTORE_EMULATOR_HOST")
        self._lock = threading.Lock()
        self._client: FirestoreClient | None = None
        self._process = 0

    def get(self, name: str) -> Document | None:
        def ask(api: FirestoreClient) -> Document | None:
            try:
                return api.get_document({"name": name}, **self._options)
            except exceptions.NotFound as error:
                if _lacks_database(error):
                    raise
                return None

        return self._call(ask)

    def commit(self, *writes: Write) -> None:
        """All or none of them. Raises AlreadyExists and Conflict."""

        def ask(api: FirestoreClient) -> None:
            try:
                api.commit({"database": self.root, "writes": list(writes)}, **self._options)
            except exceptions.AlreadyExists as error:
                raise AlreadyExists(error.message) from error
            except exceptions.FailedPrecondition as error:
                raise Conflict(error.message) from error
            except exceptions.NotFound as error:
                if _lacks_database(error):
                    raise
                raise Conflict(error.message) from error

        self._call(ask)

    def run_query(self, request: RunQueryRequest) -> list[RunQueryResponse]:
        return self._call(lambda api: list(api.run_query(request, **self._options)))

    def run_aggregation(
        self, request: RunAggregationQueryRequest
    ) -> list[RunAggregationQueryResponse]:
        return self._call(lambda api: list(api.run_aggregation_query(request, **self._options)))

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
            if client is not None and self._process == os.getpid():
                client.transport.close()  # type: ignore[no-untyped-call]
            elif client is not None:
                _inherited.append(client)

    @property
    def _options(self) -> dict[str, Any]:
        metadata = [("google-cloud-resource-prefix", self.root)]
        if self._emulator:
            metadata.append(("authorization", "Bearer owner"))
        return {"retry": None, "timeout": _CALL_SECONDS, "metadata": metadata}

    def _api(self) -> FirestoreClient:
        with self._lock:
            if self._client is None or self._process != os.getpid():
                _inherited.append(self._client)
                self._client = _connect(self._credentials, self._emulator)
                self._process = os.getpid()
            return self._client

    def _call(self, call: Callable[[FirestoreClient], T]) -> T:
        """What `call` gives; Google's errors become ours."""
        try:
            api = self._api()
            return _retry()(lambda: call(api))()
        except (
            exceptions.ServerError,
            exceptions.TooManyRequests,
            exceptions.Aborted,
            exceptions.Cancelled,
            exceptions.RetryError,
            TransportError,
        ) as error:
            raise TransientError(f"{self.place}: {error}") from error
        except (exceptions.Forbidden, exceptions.Unauthorized) as error:
            raise ConfigurationError(
                f"{self.place} refuses these credentials: {error.message}"
            ) from error
        except (DefaultCredentialsError, RefreshError) as error:
            if error.retryable:
                raise TransientError(f"{self.place}: {error}") from error
            raise ConfigurationError(f"No credentials for Google Cloud: {error}") from error
        except exceptions.NotFound as error:
            raise ConfigurationError(f"{self.place} does not exist: {error.message}") from error
        except exceptions.FailedPrecondition as error:
            raise ConfigurationError(f"{self.place} cannot answer: {error.message}") from error
        except exceptions.InvalidArgument as error:
            raise ValueError(error.message) from error


def _lacks_database(error: Exception) -> bool:
    """Whether not a document is missing, but all of them."""
    _, database, rest = str(error).casefold().partition("database ")
    return bool(database) and "does not exist" in rest


def _connect(credentials: Credentials | None, emulator: str | None) -> FirestoreClient:
    if emulator is None:
        return FirestoreClient(credentials=credentials)

    unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    channel = grpc.insecure_channel(emulator, options=unlimited)
    return FirestoreClient(transport=FirestoreGrpcTransport(host=emulator, channel=channel))


def _retry() -> Retry:
    """Short, since whoever calls tries again later; the library's own goes on for minutes."""
    passing = if_exception_type(
        exceptions.ServiceUnavailable, exceptions.TooManyRequests, exceptions.Aborted
    )
    return Retry(predicate=passing, initial=0.1, maximum=1.0, timeout=_RETRY_SECONDS)
