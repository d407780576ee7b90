"""What storage tells us is read whole or refused with a sentence."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panoptes.network.events import (
    FileArrived,
    MalformedEvent,
    OtherEvent,
    local_event,
    parse_event,
)

NAME = "PAN001/14d3bd/20180216T110623/20180216T112430.fits.fz"
JSON = {"content-type": "application/json"}


def encoded(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def push(name: str = NAME, /, **attributes: Any) -> dict[str, Any]:
    """A push as Pub/Sub sends it; an attribute of None is left out."""
    described = {"kind": "storage#object", "bucket": "incoming", "name": name}
    said = {
        "eventType": "OBJECT_FINALIZE",
        "bucketId": "incoming",
        "objectId": name,
        "objectGeneration": "1700000000000001",
        "eventTime": "2026-01-01T00:00:00.123456Z",
        "payloadFormat": "JSON_API_V1",
        "notificationConfig": "projects/_/buckets/incoming/notificationConfigs/1",
    } | attributes
    return {
        "subscription": "projects/p/subscriptions/s",
        "message": {
            "messageId": "17",
            "publishTime": "2026-01-01T00:00:01Z",
            "attributes": {key: value for key, value in said.items() if value is not None},
            "data": encoded(described | {"generation": "1700000000000001", "size": "20971520"}),
        },
    }


def cloud_event(**changes: Any) -> dict[str, Any]:
    """A CloudEvent as Eventarc sends it, in structured mode; a change of None leaves out."""
    event = {
        "specversion": "1.0",
        "id": "18",
        "source": "//storage.googleapis.com/projects/_/buckets/incoming",
        "type": "google.cloud.storage.object.v1.finalized",
        "subject": f"objects/{NAME}",
        "time": "2026-01-01T00:00:00.123456Z",
        "datacontenttype": "application/json",
        "data": {
            "bucket": "incoming",
            "name": NAME,
            "generation": "1700000000000001",
            "size": "20971520",
        },
    } | changes
    return {key: value for key, value in event.items() if value is not None}


def read(document: object, headers: dict[str, str] = JSON) -> FileArrived | OtherEvent:
    return parse_event(headers, json.dumps(document).encode())


def read_structured(document: object) -> FileArrived | OtherEvent:
    return read(document, {"content-type": "application/cloudevents+json; charset=UTF-8"})


def read_binary(document: dict[str, Any]) -> FileArrived | OtherEvent:
    headers = {f"ce-{key}": value for key, value in document.items() if key != "data"}
    return read(document["data"], headers | JSON)


def test_all_three_forms_tell_of_the_same_file() -> None:
    told = [read(push()), read_structured(cloud_event()), read_binary(cloud_event())]
    files = [each for each in told if isinstance(each, FileArrived)]
    assert [(each.bucket, each.name, each.generation, each.size) for each in files] == [
        ("incoming", NAME, 1700000000000001, 20971520)
    ] * 3
    assert {each.time for each in files} == {datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)}
    assert len({each.id for each in files}) == 1
    assert [each.delivery for each in files] == ["17", "18", "18"]


def test_half_a_character_in_what_is_logged_or_answered_is_malformed() -> None:
    broken = push()
    broken["message"]["messageId"] = "\ud800"
    with pytest.raises(MalformedEvent, match="messageId is broken text"):
        read(broken)
    with pytest.raises(MalformedEvent, match="eventType is broken text"):
        read(push(eventType="\ud800"))
    for key in ("id", "type", "source"):
        with pytest.raises(MalformedEvent, match=f"{key} is broken text"):
            read_structured(cloud_event(**{key: "a\udce9"}))


def test_a_notification_without_an_object_resource_is_enough() -> None:
    envelope = push(payloadFormat="NONE")
    del envelope["message"]["data"]
    told = read(envelope)
    assert isinstance(told, FileArrived)
    assert told.size is None


def test_the_data_of_a_cloud_event_may_come_as_base64() -> None:
    event = cloud_event()
    packed = cloud_event(data=None, data_base64=encoded(event["data"]))
    assert read_structured(packed) == read_structured(event)


def test_the_local_watchers_event_is_read_back_as_it_was_meant() -> None:
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    event = local_event(bucket="/srv/incoming", name=NAME, generation=7, size=3, time=moment)
    told = read_structured(event)
    assert isinstance(told, FileArrived)
    assert (told.bucket, told.name, told.generation, told.size, told.time) == (
        "/srv/incoming",
        NAME,
        7,
        3,
        moment,
    )
    assert event["id"] == str(told.id)


def test_a_name_that_is_no_utf8_survives_the_way_from_the_watcher() -> None:
    name = "PAN001/caf\udce9.fits"
    event = local_event(bucket="b", name=name, generation=7, size=3, time=datetime.now(UTC))
    told = read_structured(event)
    assert isinstance(told, FileArrived)
    assert told.name == name


@pytest.mark.parametrize(
    "event_type", ["OBJECT_DELETE", "OBJECT_ARCHIVE", "OBJECT_METADATA_UPDATE", "SOMETHING_NEW"]
)
def test_other_notifications_are_known_for_what_they_are(event_type: str) -> None:
    assert read(push(eventType=event_type)) == OtherEvent(event_type)


def test_cloud_events_of_other_services_start_nothing() -> None:
    other = "google.cloud.audit.log.v1.written"
    assert read_structured(cloud_event(type=other, data=None)) == OtherEvent(other)


def test_each_generation_and_each_bucket_has_an_id_of_its_own() -> None:
    def id_of(bucket: str, name: str, generation: int) -> object:
        return FileArrived(bucket, name, generation, None, None, "", "").id

    ids = {id_of("a", "b", 1), id_of("a", "b", 2), id_of("c", "b", 1), id_of("a", 'b", 1', 1)}
    assert len(ids) == 4
    assert id_of("a", "b", 1) == id_of("a", "b", 1)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b'{"message": NaN}', "not JSON"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
        (b'{"message": ' + b"1" * 5000 + b"}", "not JSON"),
        (b"{}", "no message"),
        (b'{"message": {}}', "no attributes"),
        (b'{"message": {"attributes": {}}}', "no eventType"),
        (b'{"message": {"attributes": {"eventType": 1}}}', "no eventType"),
    ],
)
def test_what_is_no_envelope_is_refused_with_a_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(MalformedEvent, match=sentence):
        parse_event(JSON, body)


@pytest.mark.parametrize("field", ["eventType", "bucketId", "objectId", "eventTime"])
@pytest.mark.parametrize("value", ["1" * 5000, "x/" * 100_000])
def test_no_text_is_longer_than_it_can_be_and_none_is_repeated(field: str, value: str) -> None:
    with pytest.raises(MalformedEvent, match=field) as refused:
        read(push(**{field: value}))
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("value", [["x"], {"x": "x"}, 17, "x" * 5000])
def test_the_senders_id_is_a_short_text(value: object) -> None:
    envelope = push()
    envelope["message"]["messageId"] = value
    with pytest.raises(MalformedEvent, match="messageId"):
        read(envelope)


@pytest.mark.parametrize("missing", ["bucketId", "objectId", "objectGeneration"])
def test_a_notification_that_does_not_say_what_arrived_is_refused(missing: str) -> None:
    with pytest.raises(MalformedEvent, match=missing):
        read(push(**{missing: None}))


@pytest.mark.parametrize(
    "generation", ["0", "-1", "1e3", "1.0", " 1", "0x1", "٣", "01", str(2**63), "9" * 40, ""]
)
def test_a_generation_that_is_no_positive_integer_is_refused(generation: str) -> None:
    with pytest.raises(MalformedEvent, match="objectGeneration"):
        read(push(objectGeneration=generation))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("bucketId", "other"), ("objectId", "other"), ("objectGeneration", "5")],
)
def test_attributes_and_data_that_disagree_are_refused(attribute: str, value: str) -> None:
    envelope = push()
    envelope["message"]["attributes"][attribute] = value
    with pytest.raises(MalformedEvent, match="different"):
        read(envelope)


@pytest.mark.parametrize(
    "moment", ["yesterday", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:00"]
)
def test_a_time_that_is_no_moment_is_refused(moment: str) -> None:
    with pytest.raises(MalformedEvent, match="eventTime"):
        read(push(eventTime=moment))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"type": None}, "type"),
        ({"id": None}, "id"),
        ({"source": ""}, "source"),
        ({"data": None}, "does not describe"),
        ({"data": {"bucket": "incoming", "name": NAME}}, "generation"),
        ({"data": {"bucket": "b", "name": NAME, "generation": True}}, "generation"),
        ({"bucket": "another"}, "different buckets"),
        ({"data": None, "data_base64": "%%%"}, "base64"),
    ],
)
def test_a_cloud_event_that_breaks_its_rules_is_refused(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(MalformedEvent, match=sentence):
        read_structured(cloud_event(**changes))


@pytest.mark.parametrize("content_type", ["text/plain", "application/cloudevents-batch+json"])
def test_a_body_of_another_type_is_refused(content_type: str) -> None:
    with pytest.raises(MalformedEvent, match="no storage event"):
        read(push(), {"content-type": content_type})


def test_a_name_that_no_file_can_have_is_refused() -> None:
    body = json.dumps(push("a\ud800b")).encode()
    with pytest.raises(MalformedEvent, match="no text that a file could have"):
        parse_event(JSON, body)


@pytest.mark.parametrize(
    "name", ["../x", "a%2e%2e/b", "/etc/passwd", "a\0b", "é" * 512, "x" * 2000]
)
def test_a_hostile_name_is_read_and_left_to_the_grammar(name: str) -> None:
    told = read(push(name))
    assert isinstance(told, FileArrived)
    assert told.name == name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from(["message", "specversion", "type", "data", "id"]), json_values)
    | st.fixed_dictionaries(
        {
            "message": st.fixed_dictionaries(
                {
                    "attributes": st.dictionaries(
                        st.sampled_from(
                            ["eventType", "bucketId", "objectId", "objectGeneration", "eventTime"]
                        ),
                        json_values | st.just("OBJECT_FINALIZE") | st.just("1"),
                    )
                }
            )
        }
    ),
    st.sampled_from(["application/json", "application/cloudevents+json"]),
)
def test_whatever_is_sent_is_read_or_refused(document: object, content_type: str) -> None:
    with suppress(MalformedEvent):
        assert isinstance(read(document, {"content-type": content_type}), FileArrived | OtherEvent)
