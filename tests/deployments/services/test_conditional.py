"""Range and conditional requests, by the rules of RFC 9110."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.services.conditional import Stand, Verdict, judge

STAND = Stand('"17"', datetime(2018, 2, 16, 11, 24, 30, 500_000, tzinfo=UTC), 1000)
THEN, BEFORE = "Fri, 16 Feb 2018 11:24:30 GMT", "Fri, 16 Feb 2018 11:24:29 GMT"
WHOLE = Verdict(200, 0, 1000)


@pytest.mark.parametrize(
    ("range_", "verdict"),
    [
        ("bytes=0-9", Verdict(206, 0, 10)),
        ("bytes=990-", Verdict(206, 990, 1000)),
        ("bytes=990-5000", Verdict(206, 990, 1000)),
        ("bytes=-10", Verdict(206, 990, 1000)),
        ("bytes=-5000", Verdict(206, 0, 1000)),
        ("bytes=1000-", Verdict(416)),
        ("bytes=-0", Verdict(416)),
        # What is not understood, or need not be, is answered with the whole (14.2).
        ("bytes=9-0", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=0-9,20-29", WHOLE),
        ("lines=0-9", WHOLE),
        ("bytes=²-9", WHOLE),
    ],
)
def test_a_range_is_given_as_asked_for(range_: str, verdict: Verdict) -> None:
    assert judge({"range": range_}, STAND) == verdict


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if-none-match": '"17"'}, 304),
        ({"if-none-match": 'W/"17"'}, 304),
        ({"if-none-match": '"1", "17"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"1"'}, 200),
        ({"if-modified-since": THEN}, 304),
        ({"if-modified-since": BEFORE}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        # An entity tag is better known than a time (13.2.2).
        ({"if-none-match": '"1"', "if-modified-since": THEN}, 200),
        ({"if-match": '"17"'}, 200),
        ({"if-match": 'W/"17"'}, 412),
        ({"if-match": '"1"'}, 412),
        ({"if-unmodified-since": BEFORE}, 412),
        ({"if-unmodified-since": THEN}, 200),
    ],
)
def test_a_condition_is_held_against_what_is_there(headers: dict[str, str], status: int) -> None:
    assert judge(headers, STAND).status == status


@pytest.mark.parametrize(
    ("if_range", "status"),
    [('"17"', 206), ('"1"', 200), ('W/"17"', 200), (THEN, 206), (BEFORE, 200), ("?", 200)],
)
def test_a_part_is_only_given_of_what_the_caller_has_the_rest_of(
    if_range: str, status: int
) -> None:
    assert judge({"range": "bytes=0-9", "if-range": if_range}, STAND).status == status


NAMES = ["range", "if-range", "if-match", "if-none-match", "if-modified-since"]
TEXTS = st.text(max_size=30) | st.sampled_from([THEN, "*", '"17"', "bytes=1-2", "bytes=-3"])


@given(st.dictionaries(st.sampled_from(NAMES), TEXTS))
def test_whatever_is_asked_the_answer_lies_inside(headers: dict[str, str]) -> None:
    verdict = judge(headers, STAND)
    assert verdict.status in (200, 206, 304, 412, 416)
    assert 0 <= verdict.start <= verdict.end <= 1000
