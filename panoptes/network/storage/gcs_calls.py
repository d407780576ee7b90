"""How Cloud Storage is called: time limits, repetitions, and what its errors mean."""

from __future__ import annotations

import http.client
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud.storage import Client
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from requests import RequestException
from urllib3.exceptions import HTTPError

from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.storage.object_names import shown
from panoptes.network.storage.store import NotFound, PreconditionFailed

GiveCredentials: TypeAlias = Credentials | Callable[[], Credentials] | None

_CONNECT = 10.0
_PASSING_STATUS = {408, 429}


def open_client(credentials: GiveCredentials, endpoint: str | None) -> Client:
    """A client of the library. An emulator, given by `endpoint` without credentials or by
    STORAGE_EMULATOR_HOST, is spoken to anonymously."""
    if callable(credentials) and not isinstance(credentials, Credentials):
        credentials = credentials()
    if endpoint is None and os.environ.get("STORAGE_EMULATOR_HOST"):
        credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
    return Client(
        # No project is needed to use the objects of a bucket.
        project=None,
        credentials=credentials,
        client_options={"api_endpoint": endpoint} if endpoint else None,
        use_auth_w_custom_endpoint=False,
    )


def is_passing(error: BaseException) -> bool:
    """Whether the library's `error` may not come again.

    https://cloud.google.com/storage/docs/retry-strategy#retryable
    """
    if isinstance(error, api.GoogleAPICallError | InvalidResponse):
        status = (
            error.code if isinstance(error, api.GoogleAPICallError) else error.response.status_code
        )
        return status is not None and (status >= 500 or status in _PASSING_STATUS)
    # Whatever the connection itself may come to.
    connection = (auth.TransportError, RequestException, HTTPError, http.client.HTTPException)
    return isinstance(error, (*connection, ConnectionError))


class CallLimits:
    """The limits of one operation, and whether any of its calls had to be repeated."""

    def __init__(self, timeout: float, patience: float) -> None:
        """`timeout` for one answer, `patience` for all repetitions; seconds."""
        self.repeated = False
        retry = Retry(
            predicate=is_passing,
            initial=0.2,
            maximum=5.0,
            timeout=patience,
            on_error=self._note_repetition,
        )
        self.arguments: dict[str, object] = {"timeout": (_CONNECT, timeout), "retry": retry}

    def _note_repetition(self, _: Exception) -> None:
        self.repeated = True


class Ranges(io.RawIOBase):
    """A readable, seekable stream over something that is read by ranges."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        """`read` gives the bytes from a start up to but not including an end."""
        self._read = read
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, begin + offset)
        return self._position

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        end = min(self._size, self._position + len(buffer))
        if self._position >= end:
            return 0
        data = self._read(self._position, end)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


@contextmanager
def translated(bucket: str, name: str | None = None, *, is_upload: bool = False) -> Iterator[None]:
    """Turn the library's errors into the store's, each in one sentence.

    `name` is the object asked for; without one, or when it is uploaded, what is not found
    is the bucket.
    """
    place = f"gs://{bucket}"
    what = place if name is None else f"{shown(name)} in {place}"
    try:
        yield
    except api.NotFound as error:
        if name is None or is_upload or "bucket does not exist" in str(error.message):
            raise ConfigurationError(f"the bucket {place} does not exist") from error
        raise NotFound(f"there is no {what}") from error
    except api.PreconditionFailed as error:
        raise PreconditionFailed(f"{what} is not in the expected generation") from error
    except (api.Forbidden, api.Unauthorized) as error:
        raise ConfigurationError(
            f"the credentials do not allow to use {place}: {error.message}"
        ) from error
    except auth.DefaultCredentialsError as error:
        raise ConfigurationError(f"there are no Google credentials for {place}") from error
    except auth.RefreshError as error:
        if error.retryable:
            raise TransientError(f"the credentials for {place} could not be renewed") from error
        raise ConfigurationError(f"the credentials for {place} are refused: {error}") from error
    except (api.RetryError, DataCorruption) as error:
        raise TransientError(f"{what} did not answer as it should: {error}") from error
    except Exception as error:
        if not is_passing(error):
            raise
        raise TransientError(f"{what} did not answer: {error}") from error
