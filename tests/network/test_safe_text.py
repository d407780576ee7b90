"""Text from outside, for each kind of reader."""

from __future__ import annotations

import logging

import pytest

from panoptes.network.errors import BadInput
from panoptes.network.safe_text import csv_cell, markdown, one_line, safe_log

ORDINARY = (
    "PAN001/14d3bd/20180216T110623/20180216T112430.fits.fz",
    "PAN001_14d3bd_20180216T110623",
    "The file ends too early: part of it is missing. (12,000 bytes expected; 9 present)",
    "HD 189733 b, \u03b1 Centauri",
)
UNSEEN = (
    *"\u3164\u115f\u1160\uffa0\u17b4\ufe0f\u034f\u2800\u180b\U000e0100",  # printable, says Python
    *"\u200b\ufeff\u00a0\u00ad\u2028\u2029\u0085\u202e\u2066\u061c",
)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert one_line(text) == markdown(text) == csv_cell(text) == text


@pytest.mark.parametrize(
    "text", ["a\nb", "a\0b", "a\x1b[2Jb", "caf\udce9", "a\u202eb", "a\x9bb", "a\u200bb", "x" * 5000]
)
def test_a_line_is_printable_and_no_longer_than_it_may_be(text: str) -> None:
    assert one_line(text, most=300).isprintable()
    assert len(one_line(text, most=300)) <= 301


@pytest.mark.parametrize("unseen", UNSEEN)
def test_what_nobody_would_see_is_shown_in_a_line_and_a_space_in_a_cell(unseen: str) -> None:
    assert one_line(f"a{unseen}b") == f"a{ascii(unseen)[1:-1]}b"
    assert csv_cell(f"a{unseen}b") == "a b"


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert one_line("caf\udce9\n") == r"caf\xe9\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[a](http://b)", r"\[a\](http\://b)"),
        ("<img src=x>", r"\<img src=x\>"),
        ("**b** `c` ~d~ a|b", r"\*\*b\*\* \`c\` \~d\~ a\|b"),
        ("_x_ a_b", r"\_x\_ a_b"),
        ("# head", r"\# head"),
        ("- list", r"\- list"),
        ("1. list", r"1\. list"),
        ("www.a.b me@b.c", r"www\.a.b me\@b.c"),
        ("WWW.a.b wWw.a.b", r"WWW\.a.b wWw\.a.b"),
        ("&lt; \\", r"\&lt; \\"),
        ("a\n# b", r"a\\n# b"),
    ],
)
def test_markdown_shows_signs_instead_of_obeying_them(text: str, shown: str) -> None:
    assert markdown(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("=1", "+a", "-a", "@a", "\t=1", "\r=1", " =1", "-1+1", "\n=1"),
        *("\uff1d1+1", "\uff0ba", "\uff0da", "\uff20SUM(1)", "\ufe661", "\uff0d1"),
        *("\u200b=1", "\ufeff=1", "\u00a0=1", "\u3000=1", "\u2800=1", "\u202e=1", "\u0085=1"),
    ],
)
def test_a_cell_of_text_is_no_formula(text: str) -> None:
    assert csv_cell(text)[0] == "'"
    assert "\n" not in csv_cell(text)


@pytest.mark.parametrize("text", ["-5.4", "+5", "-1e5", "12", ""])
def test_a_number_stays_one(text: str) -> None:
    assert csv_cell(text) == text


def test_what_a_log_is_given_is_one_line_and_a_traceback_is_indented(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = safe_log("tests.safe")
    try:
        raise ValueError("x\nERROR forged")
    except ValueError:
        log.exception("%s\n%d", "a\nb", 5)
    first, *others = logging.Formatter("%(message)s").format(caplog.records[-1]).split("\n")
    assert first == r"a\nb\n5"
    assert all(line.startswith("  ") for line in others)


def test_what_a_file_is_refused_for_is_one_line_of_bounded_length() -> None:
    refusal = BadInput("bad-header", "x\n\x1b" + 5000 * "y")
    assert refusal.reason.isprintable()
    assert len(refusal.reason) < 700
