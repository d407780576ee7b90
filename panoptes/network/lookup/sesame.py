"""CDS's name resolver Sesame: SIMBAD, NED and VizieR, one after the other.

Its plain answer is described at https://cds.unistra.fr/cgi-bin/Sesame: ``%J`` lines hold
positions, ``#!`` lines say that nothing was found or that a catalogue could not be asked,
and ``#====Done`` ends a whole answer. An outage is never taken for "no such name".
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.lookup.resolved import Found

if TYPE_CHECKING:
    import httpx

ADDRESSES = (
    "https://cds.unistra.fr/cgi-bin/nph-sesame",
    "https://vizier.cfa.harvard.edu/viz-bin/nph-sesame",
)
"""CDS in Strasbourg, and its mirror."""
SETTING = "PANOPTES_SESAME"

_POSITION = re.compile(r"^%J\s++([0-9.]++)\s++([+-]?[0-9.]++)(?:\s|$)", re.MULTILINE)
_NAME = re.compile(r"^%I\.0[ \t]++([^=\n]++)", re.MULTILINE)
_CATALOGUE = re.compile(r"^#=[^=\n]*+=([A-Za-z]++)", re.MULTILINE)
_COMPLAINT = re.compile(r"^#!(.*)$", re.MULTILINE)
_AT_ONCE = 8
"""Questions at the same time; more wait for their turn."""
_TURN_SECONDS = 2.0
"""A service has few threads: they must not all wait for Sesame."""
_MAX_ANSWER = 1 << 18
"""Bytes; a real answer has a few thousand."""


_ADVICE = "try again in a minute, or give coordinates such as 05:35:17 -05:23:28"


class NoAnswer(TransientError):
    """This address gave no whole answer."""


@dataclass
class Sesame:
    """A client of Sesame and its mirrors, safe for use by several threads.

    All addresses are asked twice within `patience` seconds. After an outage nobody is
    asked for `pause` seconds, so that callers get their answer at once.
    """

    addresses: tuple[str, ...] = ADDRESSES
    timeout: float = 6.0
    """Seconds, for connecting and for each part of an answer."""
    patience: float = 20.0
    pause: float = 30.0
    _turns: threading.Semaphore = field(
        init=False, repr=False, default_factory=lambda: threading.Semaphore(_AT_ONCE)
    )
    _client: httpx.Client | None = field(init=False, repr=False, default=None)
    _lock: threading.Lock = field(init=False, repr=False, default_factory=threading.Lock)
    _away_until: float = field(init=False, repr=False, default=0.0)

    def __post_init__(self) -> None:
        if not self.addresses:
            raise ConfigurationError(f"{SETTING} names no address of Sesame")
        for address in self.addresses:
            if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc:
                raise ConfigurationError(f"{SETTING}: {address!r} is no http(s) address")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Sesame:
        """The addresses are those in ``PANOPTES_SESAME``, separated by blanks, best first."""
        named = (os.environ if environment is None else environment).get(SETTING, "").split()
        return cls(tuple(named)) if named else cls()

    def ask(self, name: str) -> Found | None:
        """Where `name` is, or None if every catalogue was asked and has no such name.

        Raises TransientError when no address gives a whole answer.
        """
        deadline = time.monotonic() + self.patience
        if not self._turns.acquire(timeout=_TURN_SECONDS):
            raise TransientError(
                f"the name service Sesame is slow and others wait for it, too: {_ADVICE}"
            )
        try:
            return self._ask_all(name, deadline)
        finally:
            self._turns.release()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _ask_all(self, name: str, deadline: float) -> Found | None:
        if time.monotonic() < self._away_until:
            raise TransientError(f"the name service Sesame did not answer a moment ago: {_ADVICE}")
        trouble: list[str] = []
        for number, address in enumerate(self.addresses * 2):
            if number == len(self.addresses):
                time.sleep(random.uniform(0.1, 0.5))
            if time.monotonic() > deadline:
                trouble.append("the time for an answer is over")
                break
            try:
                found = self._ask(address, name, deadline)
            except NoAnswer as error:
                trouble.append(f"{urlsplit(address).netloc}: {error}")
            else:
                self._away_until = 0.0
                return found
        self._away_until = time.monotonic() + self.pause
        why = "; ".join(dict.fromkeys(trouble))
        raise TransientError(f"the name service Sesame gives no answer ({why}): {_ADVICE}")

    def _ask(self, address: str, name: str, deadline: float) -> Found | None:
        import httpx

        url = f"{address.rstrip('/')}/SNV?{quote(name, safe='')}"
        body = bytearray()
        try:
            left = max(0.1, deadline - time.monotonic())
            with self._http().stream("GET", url, timeout=min(self.timeout, left)) as response:
                if response.status_code != httpx.codes.OK:
                    raise NoAnswer(f"it answers {response.status_code}")
                for part in response.iter_bytes():
                    body += part
                    if time.monotonic() > deadline:
                        raise NoAnswer("it answers too slowly")
                    if len(body) > _MAX_ANSWER:
                        raise NoAnswer("its answer is far too long")
        except httpx.HTTPError as error:
            raise NoAnswer(_in_words(error)) from error
        return read_answer(body.decode("utf-8", "replace"), name)

    def _http(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                self._client = httpx.Client(
                    timeout=self.timeout,
                    follow_redirects=True,
                    max_redirects=3,
                    headers={"User-Agent": "panoptes-network"},
                )
            return self._client


def read_answer(text: str, name: str) -> Found | None:
    """The first position in Sesame's plain answer; None if it says that there is none.

    Raises NoAnswer for an answer that is cut off, or that has no position while some
    catalogue could not be asked.
    """
    position = _POSITION.search(text)
    if position is not None:
        before = text[: position.start()]
        found = _read_position(position)
        if found is not None:
            catalogues = _CATALOGUE.findall(before)
            block = text[text.rfind("\n#=", 0, position.start()) + 1 :]
            named = _NAME.search(block)
            called = " ".join(named[1].split()) if named else name
            catalogue = catalogues[-1] if catalogues else "Sesame"
            return Found(called.removeprefix("NAME "), *found, catalogue)
    if "#====Done" not in text:
        raise NoAnswer("its answer is cut off or none of Sesame's")
    complaints = [each.strip(" *") for each in _COMPLAINT.findall(text)]
    unanswered = [each for each in complaints if "nothing found" not in each.casefold()]
    if unanswered or not complaints:
        raise NoAnswer(unanswered[0] if unanswered else "its answer says nothing")
    return None


def _in_words(error: httpx.HTTPError) -> str:
    import httpx

    match error:
        case httpx.TimeoutException():
            return "it does not answer in time"
        case httpx.ConnectError():
            return "it cannot be reached from here"
        case httpx.TooManyRedirects() | httpx.UnsupportedProtocol():
            return "it leads elsewhere again and again"
    return "the connection to it broke off"


def _read_position(position: re.Match[str]) -> tuple[float, float] | None:
    try:
        ra, dec = float(position[1]), float(position[2])
    except ValueError:
        return None
    return (ra, dec) if 0 <= ra <= 360 and -90 <= dec <= 90 else None
