"""Header cards of FITS, read and written (FITS Standard 4.0, sections 3.2.1 and 4).

Reading never fails: real headers break the rules in many small ways, and a card that
cannot be read must not cost the image. What was wrong is said in `Header.problems`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

CARD = 80
BLOCK = 2880

Value: TypeAlias = str | int | float | bool | complex | None
COMMENTARY = frozenset({"COMMENT", "HISTORY", ""})

# Possessive, so that a hostile card cannot make the expression try every way to cut digits.
_REAL = r"[+-]?(?:\d++\.?+\d*+|\.\d++)(?:[EDed][+-]?\d++)?+"
_CARD = re.compile(
    rf"""(?:
        HIERARCH\ ++(?P<hierarch>[^='\ ][^=']*+)=
      | (?!COMMENT\ |HISTORY\ |\ {{8}})(?P<keyword>[^=]{{8}})=[ ]
      | (?P<continued>CONTINUE)\ \ (?=\ *')
    )\ *
    (?:
        '(?P<string>(?:[^']|'')*)'
      | (?P<integer>[+-]?\d+)(?=[\ /]|$)
      | (?P<logical>[TF])(?=[\ /]|$)
      | (?P<real>{_REAL})(?=[\ /]|$)
      | \(\ *(?P<re>{_REAL})\ *,\ *(?P<im>{_REAL})\ *\)
      | (?=/|$)
    )\ *(?:/(?P<comment>.*)|$)""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")
_PRINTABLE = re.compile(r"[ -~]*")


class Card(NamedTuple):
    """One entry of a header.

    `keyword` is as in the file, for HIERARCH cards the name behind that word. `value` is
    None where the card leaves it undefined (or it cannot be read); for COMMENT, HISTORY and
    blank keywords, and for cards without a value indicator, it is the text.
    """

    keyword: str
    value: Value
    comment: str = ""


@dataclass(frozen=True)
class Header:
    """The cards of one HDU, parsed when they are first asked for.

    `raw` holds the cards without END and padding, `offset` and `length` say where the
    header with END and padding lies in its file, in bytes.
    """

    raw: bytes
    offset: int = 0
    length: int = 0

    @property
    def cards(self) -> tuple[Card, ...]:
        return self._parsed[0]

    @property
    def problems(self) -> tuple[str, ...]:
        """What breaks the standard, a sentence each."""
        return self._parsed[1]

    def get(self, keyword: str, default: Value = None) -> Value:
        """The first value of `keyword` in any case, or `default` if there is no such card."""
        return self._first.get(keyword.upper(), default)

    def exact(self, keyword: str, default: Value = None) -> Value:
        """The value of the first card with just this keyword field; None if it has none.

        For the keywords of the standard: those in lower case or behind HIERARCH are others.
        """
        place = self._parsed[2].get(keyword)
        return default if place is None else self.cards[place].value

    def mapping(self) -> dict[str, Value | list[str]]:
        """Upper-case keyword to first value; COMMENT, HISTORY and '' to lists of texts."""
        result: dict[str, Value | list[str]] = dict(self._first)
        texts: dict[str, list[str]] = {keyword: [] for keyword in COMMENTARY & result.keys()}
        for keyword, value, _ in self.cards:
            if keyword.upper() in texts:
                texts[keyword.upper()].append(str(value))
        return result | texts

    def raw_cards(self) -> list[bytes]:
        """The cards as they stand in the file, 80 bytes each (the last may be shorter)."""
        return [self.raw[i : i + CARD] for i in range(0, len(self.raw), CARD)]

    @cached_property
    def _first(self) -> dict[str, Value]:
        first: dict[str, Value] = {}
        for card in self.cards:
            first.setdefault(card.keyword.upper(), card.value)
        return first

    @cached_property
    def _parsed(self) -> tuple[tuple[Card, ...], tuple[str, ...], dict[str, int]]:
        cards: list[Card] = []
        problems: list[str] = []
        places: dict[str, int] = {}  # of the first card of each keyword field
        text = self.raw.decode("latin-1")
        string_open = False
        parts: list[tuple[str, str]] = []  # text and comment of each card of one long string

        def join() -> None:
            """Give the last card its whole string: once, since joining costs by its length."""
            if len(parts) > 1:
                texts = [part[:-1] for part, _ in parts[:-1]]
                notes = " ".join(note for _, note in parts if note)
                cards[-1] = Card(cards[-1].keyword, "".join([*texts, parts[-1][0]]), notes)
            parts.clear()

        for start in range(0, len(text), CARD):
            line = text[start : start + CARD]
            if not (line.isascii() and line.isprintable()):
                line = _readable(line)
                problems.append(f"card {start // CARD + 1} holds more than printable ASCII")
            found = _CARD.match(line)
            if found is None:
                string_open = False
                join()
                cards.append(_without_value(line, start // CARD + 1, problems))
                places.setdefault(cards[-1].keyword, len(cards) - 1)
                continue
            hierarch, keyword, continued, string, integer, logical, real, re_, im, comment = (
                found.groups()
            )
            value: Value = None
            if string is not None:
                value = string.replace("''", "'").rstrip(" ")
            elif integer is not None:
                value = int(integer)
            elif logical is not None:
                value = logical == "T"
            elif real is not None:
                value = _real(real)
            elif re_ is not None:
                both = _real(re_), _real(im)
                value = None if None in both else complex(*both)  # type: ignore[arg-type]
            if value is None and (real or re_):
                problems.append(f"card {start // CARD + 1}: {real or re_} is beyond any number")
            note = comment.strip() if comment else ""
            if continued and string_open:
                parts.append((str(value), note))
            else:
                join()
                if continued:
                    problems.append(f"card {start // CARD + 1} continues no string")
                    name = "CONTINUE"
                else:
                    name = hierarch.rstrip() if hierarch is not None else keyword.rstrip(" ")
                if hierarch is None:
                    places.setdefault(name, len(cards))
                cards.append(Card(name, value, note))
                if isinstance(value, str) and not continued:
                    parts.append((value, note))
            string_open = bool(parts) and str(value).endswith("&")
        join()
        return tuple(cards), tuple(problems), places


def _real(text: str) -> float | None:
    """A number with an E or D exponent (section 4.2.4); None if it overflows."""
    number = float(text.replace("D", "E").replace("d", "e"))
    return number if math.isfinite(number) else None


def _readable(line: str) -> str:
    """Text that is UTF-8 against the rules is still read as such."""
    try:
        return line.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return line


def _without_value(line: str, number: int, problems: list[str]) -> Card:
    keyword = line[:8].rstrip(" ")
    if keyword not in COMMENTARY and line[8:10] == "= ":
        problems.append(f"card {number}: {keyword} has no value to read: {line[10:].strip()}")
        return Card(keyword, None, "")
    return Card(keyword, line[8:].rstrip(), "")


def keyword_of(card: bytes) -> str:
    """The keyword field of a card as it stands in the file; only blanks pad it (4.1.2.1)."""
    return card[:8].decode("latin-1").rstrip(" ")


def header_of(raw: bytes) -> Header:
    """A header from its cards without END, for headers that are in no file."""
    return Header(raw, 0, padded(len(raw) + CARD))


def padded(size: int) -> int:
    """`size` rounded up to whole blocks of 2880 bytes."""
    return -(-size // BLOCK) * BLOCK


def header_bytes(cards: list[bytes]) -> bytes:
    """Cards of 80 bytes as a whole header: with END, filled with blanks to whole blocks."""
    raw = b"".join([*cards, b"END".ljust(CARD)])
    return raw.ljust(padded(len(raw)))


def format_card(keyword: str, value: Value, comment: str = "") -> bytes:
    """One card in fixed format, several with CONTINUE for a long string (section 4.2).

    COMMENT, HISTORY and blank keywords take their text as value, over as many cards as it
    needs. A keyword that is not of 8 upper-case letters becomes a HIERARCH card. Raises
    ValueError for text that is not printable ASCII, for numbers that are not finite, and
    where a card has no room; a comment that does not fit is cut.
    """
    for text in (keyword, comment, value if isinstance(value, str) else ""):
        if not _PRINTABLE.fullmatch(text):
            raise ValueError(f"{keyword}: {text!r} is not printable ASCII")
    if keyword in COMMENTARY:
        text = "" if value is None else str(value)
        pieces = [text[i : i + 72] for i in range(0, len(text), 72)] or [""]
        return b"".join(f"{keyword:8}{piece}".encode().ljust(CARD) for piece in pieces)
    plain = _PLAIN_KEYWORD.fullmatch(keyword) is not None
    if not plain and ("=" in keyword or "'" in keyword or not keyword.strip()):
        raise ValueError(f"{keyword!r} is no keyword")
    name = f"{keyword:8}= " if plain else f"HIERARCH {keyword} = "
    if isinstance(value, str):
        return b"".join(line.encode().ljust(CARD) for line in _string_lines(name, value, comment))
    field = _number_text(keyword, value)
    line = f"{name}{field:>20}" if plain else f"{name}{field}"
    if len(line) > CARD:
        raise ValueError(f"{keyword}: no room for {field} on one card")
    if comment:
        line = f"{line} / {comment}"
    return line[:CARD].rstrip().encode().ljust(CARD)


def _number_text(keyword: str, value: int | float | bool | complex | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, complex):
        real = _number_text(keyword, value.real)
        return f"({real}, {_number_text(keyword, value.imag)})"
    if not math.isfinite(value):
        raise ValueError(f"{keyword}: FITS has no card for {value}")
    text = repr(float(value)).upper()
    mantissa, exponent, power = text.partition("E")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}{exponent}{power}"


def _string_lines(name: str, value: str, comment: str) -> Iterator[str]:
    quoted = value.replace("'", "''")
    room = CARD - len(name) - 2
    if len(quoted) <= room:
        line = f"{name}'{quoted:8}'"
        yield (f"{line:30} / {comment}" if comment else line)[:CARD]
        return
    if room < 12:
        raise ValueError(f"{name}: no room for a string on this card")
    prefix = name
    while quoted:
        if len(quoted) <= room:
            line = f"{prefix}'{quoted}'"
            yield (f"{line} / {comment}" if comment else line)[:CARD]
            return
        cut = room - 1
        # A doubled quote must not be torn apart.
        if (len(quoted[:cut]) - len(quoted[:cut].rstrip("'"))) % 2:
            cut -= 1
        yield f"{prefix}'{quoted[:cut]}&'"
        quoted, prefix, room = quoted[cut:], "CONTINUE  ", CARD - 12
