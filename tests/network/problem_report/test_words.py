"""What of a log's lines is let through."""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Callable

import pytest

from panoptes.network.problem_report.vocabulary import vocabulary
from panoptes.network.problem_report.words import MARK, Harmless

LETTERS, ALL = string.ascii_letters, string.ascii_letters + string.digits
HARMLESS = Harmless(vocabulary(("panoptes.network", "asyncio", "logging")))


def drawn(signs: str, count: int) -> Callable[[random.Random], str]:
    return lambda draw: "".join(draw.choice(signs) for _ in range(count))


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(drawn(ALL, 16), id="letters and digits"),
        pytest.param(drawn(LETTERS, 12), id="letters"),
        pytest.param(drawn(string.ascii_lowercase, 10), id="lower case"),
        pytest.param(drawn("0123456789abcdef", 32), id="hex"),
        pytest.param(drawn(string.ascii_uppercase + "234567", 16), id="base32"),
        pytest.param(drawn(ALL + "!@#$%^&*._-", 16), id="signs"),
        pytest.param(lambda draw: base64.b64encode(draw.randbytes(18)).decode(), id="base64"),
        pytest.param(lambda draw: str(uuid.UUID(int=draw.getrandbits(128))), id="uuid"),
        pytest.param(
            lambda draw: "-".join(drawn(ALL, 4)(draw) for _ in range(4)), id="groups of four"
        ),
    ],
)
def test_what_was_drawn_by_chance_does_not_come_through(
    secret: Callable[[random.Random], str],
) -> None:
    draw = random.Random(7)
    for _ in range(300):
        one = secret(draw)
        assert one not in HARMLESS.line(f"INFO the server said {one} and went on"), one


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-27 05:51:37,123 WARNING panoptes.network.ingest.take: the catalog is locked",
        "Flow run 'ingest-PAN001_14d3bd_20180216T110623' - 12 catalogued, 1 quarantined",
        "quarantined PAN001/14d3bd/20180216T110623/20180216T112430.fits.fz: truncated-file, 5 MB",
        '  File "/panoptes/network/ingest/record.py", line 112, in close_entry',
        "KeyError: 'SIMPLE'",
    ],
)
def test_what_developers_read_comes_through_whole(line: str) -> None:
    assert HARMLESS.line(line) == line


def test_addresses_keep_their_host_and_lines_end_at_a_delicate_word() -> None:
    shown = HARMLESS.line("GET http://ann:x@archive.example.org:8500/files?near=abc failed")
    assert shown == f"GET http archive.example.org:8500 {MARK} failed"
    assert HARMLESS.line("the token is a word") == f"the token {MARK}"
    assert HARMLESS.line('{"private_key": "archive"}').endswith(MARK)


def test_what_people_typed_is_left_out() -> None:
    words = "archive", "catalog", "image"  # the programs have these, too
    for typed in words:
        for line in (
            f'127.0.0.1:5555 - "GET /observations?field_name={typed}&limit=5 HTTP/1.1" 200',
            f"WARNING: nothing is known as {typed!r}",
            f"INFO: '{typed}' signed in from 127.0.0.1",
            f"""WARNING: "it's {typed}" is no name""",
        ):
            assert typed not in HARMLESS.line(line), line
