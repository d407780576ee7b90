"""A bucket of Google Cloud Storage as an object store.

Every call has a time limit and a bounded number of repetitions. A write may have been done
although its answer was lost; then the repetition is refused, and looking at what is there
tells whether it is our own (https://cloud.google.com/storage/docs/retry-strategy).
Google's library takes long to import: this module is imported where a bucket is opened.
"""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, BinaryIO, ClassVar

from google.api_core.exceptions import RequestRangeNotSatisfiable
from google.cloud.storage import Blob, Client

from panoptes.network.errors import TransientError
from panoptes.network.file_types import content_type_of
from panoptes.network.names import MAX_NAME_BYTES
from panoptes.network.storage.checksums import crc32c, crc32c_of_stream
from panoptes.network.storage.gcs_calls import (
    CallLimits,
    GiveCredentials,
    Ranges,
    open_client,
    translated,
)
from panoptes.network.storage.object_names import require_new_name, shown
from panoptes.network.storage.store import (
    NotFound,
    ObjectInfo,
    ObjectStore,
    Opened,
    PreconditionFailed,
    judged,
    require_checksum,
)

SINGLE_REQUEST = 8 << 20
"""Bytes up to which the library uploads in one request; larger objects go in chunks."""
_CHUNK = 16 << 20
_PAGE = 1000
_CALL = "panoptes-call"
_FIELDS = "items(name,size,generation,crc32c,timeCreated),nextPageToken"


@dataclass(frozen=True)
class GcsStore(ObjectStore):
    """The objects of a bucket whose names begin with `prefix`.

    `credentials` are Google's, or what gives them at the first use; None stands for the
    machine's own. `endpoint` is another server's URL, such as an emulator's, or None for
    Google's or that of STORAGE_EMULATOR_HOST; emulators are spoken to without credentials.
    `timeout` limits the wait for one answer, `patience` all repetitions; seconds.
    """

    bucket: str
    prefix: str = ""
    credentials: GiveCredentials = field(default=None, repr=False, compare=False)
    endpoint: str | None = None
    timeout: float = 30.0
    patience: float = 20.0
    vouches: ClassVar[bool] = True
    _clients: dict[int, Client] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        prefix = self.prefix.strip("/")
        object.__setattr__(self, "prefix", f"{prefix}/" if prefix else "")

    def __reduce__(self) -> tuple[type[GcsStore], tuple[object, ...]]:
        return GcsStore, (
            self.bucket, self.prefix, self.credentials, self.endpoint, self.timeout, self.patience
        )  # fmt: skip

    def __str__(self) -> str:
        return f"gs://{self.bucket}/{self.prefix}".rstrip("/")

    # Reading

    def stat(self, name: str) -> ObjectInfo:
        return self._info(self._look(name))

    def read(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        return judged(lambda: self._read(name, generation))

    def _read(self, name: str, generation: int | None) -> tuple[bytes, ObjectInfo]:
        info = self._pinned(name, generation)
        data = self._download(name, None, None, info.generation, generation is not None)
        if len(data) != info.size:
            raise TransientError(f"{shown(name)} broke off while it was read")
        require_checksum(info, crc32c(data))
        return data, info

    def read_range(self, name: str, start: int, end: int) -> bytes:
        if start < 0:
            raise ValueError(f"a range begins at {start}")
        return self._download(name, start, end) if start < end else b""

    def seconds_to_rest(self, name: str, seconds: float, *, generation: int) -> float:
        return 0.0  # an object is there once it is whole

    def count_passing(self, seconds: float) -> int:
        return 0

    # Writing

    def put(self, name: str, data: bytes, *, if_generation: int | None = None) -> ObjectInfo:
        require_new_name(name)
        return self._upload(name, io.BytesIO(data), len(data), crc32c(data), if_generation)

    def receive(self, name: str, source: Opened, *, if_generation: int | None = None) -> ObjectInfo:
        """A large object is read twice: its checksum goes ahead, so that the bucket itself
        refuses it if it changes on the way."""
        require_new_name(name)
        stream = source.stream
        if source.info.size <= SINGLE_REQUEST:
            stream = io.BytesIO(stream.read(SINGLE_REQUEST + 1))
        running = crc32c_of_stream(stream)
        source.confirm(running)
        stream.seek(0)
        try:
            return self._upload(name, stream, running.size, running.base64, if_generation)
        except ValueError:
            # The library's complaint about a stream that ends early.
            source.look_again()
            raise

    def copy_to(
        self,
        name: str,
        destination: ObjectStore,
        destination_name: str,
        *,
        generation: int | None = None,
        if_generation: int | None = None,
    ) -> ObjectInfo:
        if isinstance(destination, GcsStore) and (
            (destination.endpoint, destination.credentials) == (self.endpoint, self.credentials)
        ):
            source = self._pinned(name, generation)
            return self._rewrite(source, destination, destination_name, if_generation)
        return super().copy_to(
            name,
            destination,
            destination_name,
            generation=generation,
            if_generation=if_generation,
        )

    @contextmanager
    def opened(self, name: str, generation: int | None) -> Iterator[Opened]:
        info = self._pinned(name, generation)

        def read(start: int, end: int) -> bytes:
            return self._download(name, start, end, info.generation, generation is not None)

        with io.BufferedReader(Ranges(read, info.size), SINGLE_REQUEST) as stream:
            yield Opened(info, stream, lambda: None)

    def delete(self, name: str, *, if_generation: int | None = None) -> None:
        calls = self._calls()
        try:
            with translated(self.bucket, name):
                self._blob(name).delete(if_generation_match=if_generation, **calls.arguments)
        except (NotFound, PreconditionFailed):
            if self._there(name) is not None:
                raise
            # The answer to the first try may have been lost: then it is we who removed it.
            if not calls.repeated:
                raise NotFound(f"there is no {shown(name)} in {self}") from None

    # Listing

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with translated(self.bucket):
            for blob in self._list(prefix, fields=_FIELDS):
                yield self._info(blob)

    def folders(self, prefix: str) -> Iterator[str]:
        if prefix and not prefix.endswith("/"):
            raise ValueError(f"{prefix!r} does not end in '/'")
        with translated(self.bucket):
            found = self._list(prefix, delimiter="/", fields="prefixes,nextPageToken")
            for page in found.pages:
                for folder in sorted(page.prefixes, key=str.encode):
                    yield folder.removeprefix(self.prefix)

    # Set-up

    def check(self) -> None:
        with translated(self.bucket):
            next(iter(self._list("", fields="items(name)", max_results=1)), None)

    def _calls(self) -> CallLimits:
        return CallLimits(self.timeout, self.patience)

    def _client(self) -> Client:
        """The client of this process; connections do not survive a fork."""
        process = os.getpid()
        if process not in self._clients:
            self._clients.setdefault(process, open_client(self.credentials, self.endpoint))
        return self._clients[process]

    # One object

    def _blob(self, name: str) -> Blob:
        try:
            size = len(f"{self.prefix}{name}".encode())
        except UnicodeEncodeError:
            raise ValueError(f"{shown(name)} is no Unicode text, as buckets require") from None
        if not name or size > MAX_NAME_BYTES:
            raise ValueError(f"{shown(name)} is empty or longer than {MAX_NAME_BYTES} bytes")
        with translated(self.bucket):
            return self._client().bucket(self.bucket).blob(f"{self.prefix}{name}")

    def _info(self, blob: Blob) -> ObjectInfo:
        return ObjectInfo(
            name=blob.name.removeprefix(self.prefix),
            size=int(blob.size),
            generation=int(blob.generation),
            crc32c=blob.crc32c,
            updated=blob.time_created.astimezone(UTC),
        )

    def _look(self, name: str) -> Blob:
        blob = self._blob(name)
        with translated(self.bucket, name):
            blob.reload(**self._calls().arguments)
        return blob

    def _there(self, name: str) -> Blob | None:
        try:
            return self._look(name)
        except NotFound:
            return None

    def _pinned(self, name: str, generation: int | None) -> ObjectInfo:
        info = self.stat(name)
        if generation is not None and info.generation != generation:
            raise NotFound(f"{shown(name)} is no longer in the generation that was asked for")
        return info

    def _download(
        self,
        name: str,
        start: int | None,
        end: int | None,
        generation: int | None = None,
        is_asked_for: bool = False,
    ) -> bytes:
        """Bytes as they are kept (never decompressed on the way), of one generation."""
        try:
            with translated(self.bucket, name):
                data: bytes = self._blob(name).download_as_bytes(
                    start=start,
                    end=None if end is None else end - 1,
                    raw_download=True,
                    checksum=None,
                    if_generation_match=generation,
                    **self._calls().arguments,
                )
                return data
        except RequestRangeNotSatisfiable:
            return b""
        except PreconditionFailed:
            if is_asked_for:
                raise NotFound(f"{shown(name)} is no longer in that generation") from None
            raise TransientError(f"{shown(name)} changed while it was read") from None

    def _upload(
        self, name: str, stream: BinaryIO, size: int, checksum: str, if_generation: int | None
    ) -> ObjectInfo:
        blob, calls, call = self._blob(name), self._calls(), uuid.uuid4().hex
        blob.chunk_size = _CHUNK
        if if_generation:
            blob.metadata = {_CALL: call}
        try:
            with translated(self.bucket, name, is_upload=True):
                blob.upload_from_file(
                    stream,
                    size=size,
                    content_type=_content_type(name),
                    if_generation_match=if_generation,
                    checksum="crc32c",
                    crc32c_checksum_value=checksum,
                    **calls.arguments,
                )
        except PreconditionFailed:
            there = self._ours(name, if_generation, call, size, checksum)
            if there is None:
                raise
            return there
        info = self._info(blob)
        if (info.size, info.crc32c) != (size, checksum):
            raise TransientError(f"{shown(name)} was damaged on its way to {self}")
        return info

    def _ours(
        self, name: str, if_generation: int | None, call: str, size: int, checksum: str
    ) -> ObjectInfo | None:
        """What is there, if a refused upload had been done before: its answer was lost.

        A created object is told by its bytes. One that replaced another is told by its call:
        two callers may well write the same bytes, and only one may take them for its own.
        """
        if if_generation == 0:
            return self._same(name, size, checksum)
        blob = self._there(name)
        is_ours = blob is not None and (blob.metadata or {}).get(_CALL) == call
        return self._info(blob) if is_ours else None

    def _rewrite(
        self, source: ObjectInfo, destination: GcsStore, name: str, if_generation: int | None
    ) -> ObjectInfo:
        """Copy within Cloud Storage, https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite."""
        require_new_name(name)
        target, calls, token = destination._blob(name), self._calls(), None
        try:
            while True:
                with translated(self.bucket, source.name):
                    token, _, _ = target.rewrite(
                        self._blob(source.name),
                        token=token,
                        if_generation_match=if_generation,
                        if_source_generation_match=source.generation,
                        **calls.arguments,
                    )
                if token is None:
                    return destination._info(target)
        except PreconditionFailed:
            now = self._there(source.name)
            if now is None or int(now.generation) != source.generation:
                raise TransientError(f"{shown(source.name)} changed while it was copied") from None
            there = destination._same(name, source.size, source.crc32c)
            if there is not None and (if_generation == 0 or calls.repeated):
                return there
            raise

    def _same(self, name: str, size: int, checksum: str | None) -> ObjectInfo | None:
        """What is there, if it has these bytes."""
        blob = self._there(name)
        is_same = blob is not None and (int(blob.size), blob.crc32c) == (size, checksum)
        return self._info(blob) if is_same else None

    def _list(self, prefix: str, **options: object) -> Any:
        return self._client().list_blobs(
            self.bucket,
            prefix=f"{self.prefix}{prefix}",
            page_size=_PAGE,
            **options,
            **self._calls().arguments,
        )


def _content_type(name: str) -> str:
    if name.endswith(".csv"):  # a table of `tables`
        return "text/csv; charset=utf-8"
    return content_type_of(name) or "application/octet-stream"
