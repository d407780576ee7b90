"""Text from outside, made safe for whoever reads it: names of files, cards, errors about them.

Whoever uploads chooses it, so a terminal gets no escape codes, a log no lines that nobody
wrote, a page of Prefect no links or markup, a spreadsheet no formulas. JSON needs none of
this: it is written in ASCII, where nothing is left to obey.
"""

from __future__ import annotations

import logging
import re
import traceback
import unicodedata
from collections.abc import Callable
from contextlib import suppress

_MARKUP = re.compile(
    r"[\\`*~\[\]<>|&@$]"  # anywhere
    r"|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])"  # no emphasis within a word
    r"|(?<=\w):(?=//)|(?<=(?i:www))\."  # what becomes a link by itself
    r"|\A\s*[#+=-]|\A\s*\d+[.)]"  # what begins a heading or a list
)
_FORMULA = ("=", "+", "-", "@")
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""What Python calls printable and nobody sees: fillers, selectors of variants, the blank of
Braille."""


def one_line(value: object, *, most: int | None = None) -> str:
    """For a terminal, or a line of a log: what is not printable is shown as ``\\xNN``.

    Nothing is printable that ends a line, moves the cursor, turns the direction of writing
    or has no width; bytes that were no UTF-8 are shown as such. At most `most` characters.
    """
    text = str(value)
    with suppress(UnicodeEncodeError):  # half a pair, which is no byte: shown as it is below
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    text = _seen(text, lambda unseen: ascii(unseen)[1:-1])
    return text if most is None or len(text) <= most else f"{text[:most]}…"


def _seen(text: str, instead: Callable[[str], str]) -> str:
    """The text, with what nobody would see of it given as `instead` has it."""
    if text.isprintable() and not _UNSEEN.search(text):
        return text
    return "".join(c if c.isprintable() and not _UNSEEN.match(c) else instead(c) for c in text)


def markdown(value: object) -> str:
    """For Prefect's artifacts, whose cells and descriptions are GitHub's Markdown: plain text."""
    return _MARKUP.sub(lambda found: _escaped(found[0]), one_line(value))


def _escaped(found: str) -> str:
    return f"{found[:-1]}\\{found[-1]}"


def csv_cell(text: str) -> str:
    """For a cell of text that a spreadsheet opens: never a formula, always on one line.

    A cell that would be one gets an apostrophe before it, as OWASP recommends
    (https://owasp.org/www-community/attacks/CSV_Injection); what is a number stays one. Signs
    of full width begin a formula, too. What is not seen becomes a space.
    """
    shown = _seen(text, lambda _: " ")
    first = unicodedata.normalize("NFKC", shown.lstrip()[:1])
    if first not in _FORMULA or _is_number(shown):
        return shown
    return f"'{shown}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def safe_log(name: str) -> logging.Logger:
    """The logger of this name; whatever it is given is one line in the log.

    A traceback has several, all but the first indented, so that none can pass for an entry.
    """
    log = logging.getLogger(name)
    if not any(isinstance(each, _OneLine) for each in log.filters):
        log.addFilter(_OneLine())
    return log


class _OneLine(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = one_line(record.getMessage()), None
        if record.exc_info and record.exc_info[1] is not None:
            lines = "".join(traceback.format_exception(record.exc_info[1])).splitlines()
            record.exc_text = "\n".join(f"  {one_line(line)}" for line in lines)
        return True
