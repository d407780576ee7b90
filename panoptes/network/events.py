"""What storage tells us of a file, in the three forms in which it is told.

Cloud Storage notifies by a Pub/Sub push
(https://cloud.google.com/storage/docs/pubsub-notifications,
https://cloud.google.com/pubsub/docs/push), Eventarc by a CloudEvent in binary or structured
mode (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md),
and our own watcher of a local folder by a structured CloudEvent of the same shape.

Reading is strict: what is not one of these is malformed, and says why in a sentence. A
name is only read here, not judged: `panoptes.network.names` says which observation it belongs to.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import unquote

from panoptes.network.names import display_name

PUSH = "application/json"
CLOUD_EVENT = "application/cloudevents+json"
LOCAL_FINALIZED = "panoptes.storage.object.v1.finalized"
"""The type of the local watcher's CloudEvent."""

_FINALIZED = frozenset(
    {"OBJECT_FINALIZE", "google.cloud.storage.object.v1.finalized", LOCAL_FINALIZED}
)
_INTEGER = re.compile(r"0|[1-9][0-9]{0,18}")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "panoptes.file.arrived")
_MOST_BUCKET_CHARACTERS = 1024
_MOST_CHARACTERS = 4096
"""Of any text: a path can have no more, and an object's name 1,024 bytes."""
_MOST_TIME_CHARACTERS = 64

Document: TypeAlias = Mapping[str, Any]


class MalformedEvent(ValueError):
    """This is no storage event; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class FileArrived:
    """One generation of a file is complete in a bucket, or in a watched folder."""

    bucket: str
    """A bucket's name, or the address of a watched folder."""
    name: str
    """The object's name as uploaded; bytes that are no UTF-8 are surrogates."""
    generation: int
    """Positive, below 2**63."""
    size: int | None
    """Bytes, where the event says so."""
    time: datetime | None
    """UTC, by the clock of the storage."""
    event_type: str
    delivery: str
    """The sender's own id of this message, for its logs and ours."""

    @property
    def id(self) -> uuid.UUID:
        """The same for every delivery of this generation of this file."""
        return uuid.uuid5(_NAMESPACE, json.dumps([self.bucket, self.name, self.generation]))


@dataclass(frozen=True, slots=True)
class OtherEvent:
    """Something that starts nothing: a removal, a change of metadata, another service's word."""

    event_type: str


def parse_event(headers: Mapping[str, str], body: bytes) -> FileArrived | OtherEvent:
    """Read a request's body by what its headers, in lower case, say that it is.

    Raises MalformedEvent.
    """
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == CLOUD_EVENT:
        return parse_structured(_document(body, "the body"))
    if "ce-specversion" in headers:
        return parse_binary(headers, _document(body, "the body"))
    if content_type not in (PUSH, ""):
        raise MalformedEvent(f"a body of type {content_type[:80]!r} is no storage event")
    return parse_push(_document(body, "the body"))


def parse_push(envelope: Document) -> FileArrived | OtherEvent:
    """Read a Pub/Sub push envelope of a storage notification. Raises MalformedEvent."""
    message = _mapping(envelope, "message")
    attributes = _mapping(message, "attributes")
    event_type = _text(attributes, "eventType")
    if event_type not in _FINALIZED:
        return OtherEvent(event_type[:100])
    bucket, name = _bucket(_text(attributes, "bucketId")), _name(attributes, "objectId")
    generation = _integer(attributes, "objectGeneration", least=1)
    size = None
    if data := message.get("data"):
        described = _document(_decoded(data, "message.data"), "message.data")
        for key, said in (("bucket", bucket), ("name", name)):
            if described.get(key, said) != said:
                raise MalformedEvent(f"its attributes and its data name different {key}s")
        if "generation" in described and _integer(described, "generation", least=1) != generation:
            raise MalformedEvent("its attributes and its data name different generations")
        size = _integer(described, "size", least=0) if "size" in described else None
    return FileArrived(
        bucket=bucket,
        name=name,
        generation=generation,
        size=size,
        time=_time(attributes.get("eventTime"), "eventTime"),
        event_type=event_type,
        delivery=_text(message, "messageId")[:200] if message.get("messageId") else "",
    )


def parse_structured(event: Document) -> FileArrived | OtherEvent:
    """Read a CloudEvent whose attributes and data are one document. Raises MalformedEvent."""
    if "data_base64" in event:
        data: Any = _document(_decoded(event["data_base64"], "data_base64"), "data_base64")
    else:
        data = event.get("data")
    return _cloud_event(event, data)


def parse_binary(headers: Mapping[str, str], body: Document) -> FileArrived | OtherEvent:
    """Read a CloudEvent whose attributes are headers. Raises MalformedEvent.

    Headers' values are percent-encoded, by section 3.1.3.2 of the HTTP binding.
    """
    attributes = {
        name.removeprefix("ce-"): unquote(value)
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    return _cloud_event(attributes, body)


def _cloud_event(attributes: Document, data: Any) -> FileArrived | OtherEvent:
    if _text(attributes, "specversion") != "1.0":
        raise MalformedEvent("only CloudEvents of specversion 1.0 are understood")
    event_type = _text(attributes, "type")
    for required in ("id", "source"):
        _text(attributes, required)
    if event_type not in _FINALIZED:
        return OtherEvent(event_type[:100])
    if not isinstance(data, Mapping):
        raise MalformedEvent("its data does not describe an object")
    bucket = _bucket(_text(data, "bucket"))
    if attributes.get("bucket", bucket) != bucket:
        raise MalformedEvent("its attributes and its data name different buckets")
    return FileArrived(
        bucket=bucket,
        name=_name(data, "name"),
        generation=_integer(data, "generation", least=1),
        size=_integer(data, "size", least=0) if "size" in data else None,
        time=_time(attributes.get("time"), "time"),
        event_type=event_type,
        delivery=str(attributes["id"])[:200],
    )


def local_event(
    *, bucket: str, name: str, generation: int, size: int, time: datetime
) -> dict[str, Any]:
    """The structured CloudEvent of a file that is complete in a watched folder."""
    arrived = FileArrived(bucket, name, generation, size, time, LOCAL_FINALIZED, "")
    return {
        "specversion": "1.0",
        "id": str(arrived.id),
        "source": bucket,
        "type": LOCAL_FINALIZED,
        "subject": f"objects/{display_name(name)}",
        "time": time.astimezone(UTC).isoformat(),
        "datacontenttype": PUSH,
        "data": {
            "bucket": bucket,
            "name": name,
            "generation": str(generation),
            "size": str(size),
            "timeCreated": time.astimezone(UTC).isoformat(),
        },
    }


def _document(body: bytes, what: str) -> Document:
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError:
        raise MalformedEvent(f"{what} is not UTF-8") from None
    except RecursionError:
        raise MalformedEvent(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise MalformedEvent(f"{what} is not JSON: {str(error)[:120]}") from None
    if not isinstance(document, dict):
        raise MalformedEvent(f"{what} is not a JSON object")
    return document


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _decoded(data: object, what: str) -> bytes:
    if not isinstance(data, str):
        raise MalformedEvent(f"{what} is not text")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedEvent(f"{what} is not base64") from None


def _mapping(document: Document, key: str) -> Document:
    value = document.get(key)
    if not isinstance(value, Mapping):
        raise MalformedEvent(f"it has no {key}")
    return value


def _text(document: Document, key: str) -> str:
    """Text that a log, an answer and Prefect can hold: JSON may name half a character."""
    text = _any_text(document, key)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedEvent(f"its {key} is broken text") from None
    return text


def _any_text(document: Document, key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise MalformedEvent(f"it has no {key}")
    if len(value) > _MOST_CHARACTERS:
        raise MalformedEvent(f"its {key} is longer than {_MOST_CHARACTERS} characters")
    return value


def _bucket(bucket: str) -> str:
    if len(bucket) > _MOST_BUCKET_CHARACTERS or not bucket.isprintable():
        raise MalformedEvent("its bucket is not the name of one")
    return bucket


def _name(document: Document, key: str) -> str:
    name = _any_text(document, key)
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise MalformedEvent("its name is no text that a file could have") from None
    return name


def _integer(document: Document, key: str, *, least: int) -> int:
    """An integer, as JSON's own or as decimal text, in a signed 64-bit integer's range."""
    value = document.get(key)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**63:
        raise MalformedEvent(f"its {key} is not an integer from {least} to 2**63 - 1")
    return value


def _time(value: object, key: str) -> datetime | None:
    """The moment that RFC 3339 text names, in UTC; None where there is none."""
    if value is None:
        return None
    try:
        if not isinstance(value, str) or len(value) > _MOST_TIME_CHARACTERS:
            raise ValueError("it is no short text")
        moment = datetime.fromisoformat(value)
        if moment.utcoffset() is None:
            raise ValueError("it has no time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedEvent(f"its {key} is no moment: {str(error)[:80]}") from None
