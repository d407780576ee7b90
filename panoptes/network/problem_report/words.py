"""Lines of a log with what is known to be harmless, and a mark for all else.

Let through are the words that programs have (`vocabulary`), alone and joined as in names of
modules and settings, numbers, times, and names of units, observations and files. What comes
behind a word such as ``token`` or ``Cookie`` is left out to the end of the line, and so are
addresses but for their host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from panoptes.network.errors import BadInput
from panoptes.network.names import parse_sequence_id, parse_upload
from panoptes.network.problem_report.vocabulary import HUMPS
from panoptes.network.safe_text import one_line

MARK = "[…]"
_MOST_LINE = 2_000
_DELICATE = re.compile(
    r"""authoriz|cookie|token|passw|passphrase|\bpwd\b|secret|api[-_ ]?key|private|credential
    |bearer|\bbasic\b|signature|\bsig\b|session|auth_string|\bauth\b|\bdsn\b|connection_url
    |connection[-_ ]string|hmac|\bsalt\b|\bkey\b|[-_]key\b|\bpin\b|\botp\b|account""",
    re.IGNORECASE | re.VERBOSE,
)
"""What is said behind one of these may be the thing itself."""
_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]+-----")
_ENDS = re.compile(r"-----END [A-Z0-9 ]+-----")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]{1,30})://(?P<rest>\S*)", re.IGNORECASE)
_HOST = re.compile(
    r"[a-z0-9.-]{1,60}(?::\d{1,5})?|\[[0-9a-f:.]{2,39}\](?::\d{1,5})?", re.IGNORECASE
)
_ASKED = re.compile(r"(?<=\S)\?[^\s\"']+")
"""What is asked behind a path."""
_QUOTED = re.compile(r"""(?<![A-Za-z0-9])(?:'((?:\\.|[^'\\])*)(?:'|$)|"((?:\\.|[^"\\])*)(?:"|$))""")
"""Where programs write what somebody typed."""
_REQUEST = re.compile(r"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH) /")
_BETWEEN = re.compile(r"""([\s"'`(),;=\[\]{}<>|!?*]+)""")
_HARMLESS = re.compile(
    r"""
    [-+~±]?\d{1,9}(?:[.,:/-]\d{1,9}){0,6}(?:%|ms|[smhdxB]|[kKMG]i?B|°|min)?  # numbers, dates
    | \d{4}-\d\d-\d\d[T_]\d\d:?\d\d(?::?\d\d)?(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?
    | \d{1,2}:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?
    | Q[0-9a-f]{8}(?:[0-9a-f]{4})?                                            # a case
    | PAN\d{3} | \d{8}T\d{6}
    | [-–—.:/…·→#%&@+~^$\\]{1,3}
    """,
    re.VERBOSE,
)
_PARTS = re.compile(r"[._:/\\-]+")
_MOST_HUMPS = 6
_SHORT = 2
"""Letters of words that chance makes, too."""


@dataclass(frozen=True)
class Harmless:
    """Lets through what is known to be harmless."""

    vocabulary: frozenset[str]
    """In lower case."""

    def lines(self, lines: Iterable[str]) -> Iterator[str]:
        """Each line, safe; of keys in their text form, one mark."""
        within = False
        for line in lines:
            if within:
                within = not _ENDS.search(line)
                continue
            if begins := _BEGINS.search(line):
                within = not _ENDS.search(line)
                yield self.line(line[: begins.start()] + MARK)
            else:
                yield self.line(line)

    def line(self, line: str) -> str:
        """A line with a mark in place of each run of words that are not known."""
        plain = _ESCAPES.sub("", line.rstrip("\r\n")).replace("\t", "    ")
        line = one_line(plain, most=_MOST_LINE)
        cut = _DELICATE.search(line)
        tail = ""
        if cut is not None:
            line, tail = line[: cut.end()], f" {MARK}"
        line = _ADDRESS.sub(self._host_alone, line)
        line = _QUOTED.sub(self._quoted, _ASKED.sub(f"?{MARK}", line))
        shown = "".join(
            each if index % 2 or not each or self._is_harmless(each) else MARK
            for index, each in enumerate(_BETWEEN.split(line))
        )
        return re.sub(r"\[…\](?:\W{0,3}\[…\])+", MARK, shown + tail)

    def json(self, value: Any) -> Any:
        """The same with every text harmless, and every number as it is."""
        match value:
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {self._key(str(name)): self.json(each) for name, each in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.json(each) for each in value]
        return self.line(str(value))

    def _key(self, name: str) -> str:
        """A name such as PREFECT_API_KEY is told: what is behind it stands elsewhere."""
        return self.line(name).removesuffix(f" {MARK}")

    def _host_alone(self, found: re.Match[str]) -> str:
        """An address of which only the host is told: no user, path, query or fragment."""
        host = re.split(r"[/?#]", found["rest"], maxsplit=1)[0].rpartition("@")[2]
        shown = host.rstrip("\"',;)]}") if not host.startswith("[") else host
        return f"{found['scheme']} {shown if _HOST.fullmatch(shown) else ''} {MARK}"

    def _quoted(self, found: re.Match[str]) -> str:
        """A name of ours, a place in a program, a key that a program missed, or a mark."""
        text = found[1] if found[1] is not None else found[2]
        before = found.string[: found.start()]
        is_told = (
            self._is_name(text)
            or bool(_HARMLESS.fullmatch(text))
            or before.endswith(("KeyError: ", " File "))
            or bool(_REQUEST.match(text))
        )
        return found[0] if is_told else f"{found[0][0]}{MARK}{found[0][0]}"

    def _is_harmless(self, text: str) -> bool:
        if text == MARK or _HARMLESS.fullmatch(text):
            return True
        return self._is_name(text.rstrip(".:,")) or self._is_words(text)

    def _is_name(self, text: str) -> bool:
        """A name of the network: an observation, a run of it, or a file without a field."""
        words, _, last = text.rpartition("-")
        try:
            parse_sequence_id(last)
        except ValueError:
            pass
        else:
            return len(last) <= 50 and (not words or self._is_words(words))
        try:
            return parse_upload(text).field_name is None and len(text) <= 120
        except BadInput:
            return False

    def _is_words(self, text: str) -> bool:
        """Words, joined as in names of modules, settings and paths of files."""
        parts = [part for part in _PARTS.split(text) if part]
        return len(text) <= 160 and 0 < len(parts) <= 16 and all(map(self._is_word, parts))

    def _is_word(self, part: str) -> bool:
        if _HARMLESS.fullmatch(part):
            return True
        letters = part.rstrip("0123456789")
        humps = HUMPS.findall(letters)
        short = sum(len(hump) <= _SHORT for hump in humps)
        return (
            "".join(humps) == letters
            and 0 < len(humps) <= _MOST_HUMPS
            and len(part) - len(letters) <= 3
            and short <= max(1, len(humps) // 2)
            and all(hump.lower() in self.vocabulary for hump in humps)
        )
