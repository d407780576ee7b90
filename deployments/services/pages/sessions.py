"""Who is signed in: a cookie that we signed, and words in forms that only its owner knows.

The key is derived from the services' token, so a new token ends every session; without a
token there is nothing to sign in to, and forms are bound to this process. Of a session the
catalogue keeps only that its owner has ended it, until its time would have been over.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from deployments.web.guards import Refused, bearer
from panoptes.network.catalog.catalog import AlreadyExists, Catalog, Conflict, Query

COOKIE = "panoptes-session"
LIFETIME_SECONDS = 12 * 3600
ENDED = "ended_sessions"
"""The collection of sessions whose owners signed out, each until it would have expired."""
MOST_NAME = 60
"""Characters of a name that somebody signs in with."""
_MOST_COOKIE = 2000
_MOST_FORGOTTEN = 100
_REMEMBERED = "panoptes.session"
_MOST_TRIES = 10
_WINDOW_SECONDS = 300.0
_MOST_ADDRESSES = 10_000


@dataclass(frozen=True)
class Session:
    """Somebody who signed in."""

    name: str
    id: str
    expires: int


class Sessions:
    """Makes and reads sessions, and the words that protect forms."""

    def __init__(self, token: str | None, catalog: Catalog) -> None:
        self._token = token.strip() if token is not None else None
        secret = self._token.encode() if self._token is not None else secrets.token_bytes(32)
        self._key = hmac.digest(secret, b"panoptes-network: pages, version 1", "sha256")
        self._catalog = catalog
        self.lifetime = LIFETIME_SECONDS

    @property
    def can_sign_in(self) -> bool:
        """Whether there is a token to sign in with."""
        return self._token is not None

    def is_token(self, given: str) -> bool:
        """Whether it is the services' token; takes as long whatever it is."""
        wanted = self._token
        return wanted is not None and hmac.compare_digest(_digest(given.strip()), _digest(wanted))

    def begin(self, name: str) -> str:
        """The cookie of a new session."""
        session = [name, secrets.token_urlsafe(16), int(time.time()) + self.lifetime]
        text = base64.urlsafe_b64encode(json.dumps(session).encode()).decode().rstrip("=")
        return f"{text}.{self._mac('session', text)}"

    def of(self, request: Request) -> Session | None:
        """The session of a request; None without one, or after its end.

        Raises TransientError where the catalogue cannot say whether it was ended. Afterwards
        nobody is signed in for the rest of this request, so that a page can say so.
        """
        if _REMEMBERED not in request.scope:
            request.scope[_REMEMBERED] = None
            signed = self._signed(request)
            if signed is not None and self._catalog.get(ENDED, _key(signed)) is None:
                request.scope[_REMEMBERED] = signed
        session: Session | None = request.scope[_REMEMBERED]
        return session

    def end(self, request: Request) -> None:
        """End the session of a request for whoever holds its cookie. Raises TransientError."""
        session, now = self.of(request), datetime.now(UTC)
        if session is None:
            return
        expires = datetime.fromtimestamp(session.expires, UTC)
        with suppress(AlreadyExists):
            self._catalog.create(ENDED, _key(session), {"expires": expires})
        request.scope[_REMEMBERED] = None
        over = Query(ENDED, where=[("expires", "<=", now)], limit=_MOST_FORGOTTEN)
        for each in list(self._catalog.query(over)):
            with suppress(Conflict):
                self._catalog.delete(ENDED, each.key, version=each.version)

    def _signed(self, request: Request) -> Session | None:
        cookie = request.cookies.get(COOKIE, "")
        text, _, mac = cookie.rpartition(".")
        if self._token is None or not text or len(cookie) > _MOST_COOKIE:
            return None
        if not hmac.compare_digest(_digest(mac), _digest(self._mac("session", text))):
            return None
        # What is signed is ours.
        session = Session(*json.loads(base64.urlsafe_b64decode(f"{text}==")))
        return session if session.expires > time.time() else None

    def operator(self, request: Request) -> str | None:
        """Who may change something, for the record; None for who is not signed in.

        For requests that were admitted: where there is a token, that is who signed in, or a
        program that sent it; without one nobody is known to be an operator.
        """
        if self._token is None:
            return None
        if session := self.of(request):
            return session.name
        try:
            return "a program with the token" if self.is_token(bearer(request)) else None
        except Refused:
            return None

    def form_word(self, request: Request, purpose: str) -> str:
        """What a form of a page hides, so that no other site can send it."""
        session = self.of(request)
        return self._mac(f"form {purpose}", session.id if session else "nobody")

    def is_form_word(self, request: Request, purpose: str, given: str) -> bool:
        """Whether a form was made for this session and purpose."""
        return hmac.compare_digest(_digest(given), _digest(self.form_word(request, purpose)))

    def _mac(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}\0{text}".encode(), "sha256").hexdigest()


class SignedIn:
    """A guard that admits who has signed in."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def admit(self, request: Request) -> str:
        session = await run_in_threadpool(self._sessions.of, request)
        if session is None:
            raise Refused("nobody is signed in")
        return session.name


class Tries:
    """How often an address has given a wrong token lately."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: dict[str, tuple[int, float]] = {}

    def left_seconds(self, address: str) -> int:
        """For how long nobody listens to this address; 0: it may try."""
        with self._lock:
            count, since = self._wrong.get(address, (0, 0.0))
            left = since + _WINDOW_SECONDS - time.monotonic()
            return max(1, round(left)) if count >= _MOST_TRIES and left > 0 else 0

    def count(self, address: str) -> None:
        """One more was wrong."""
        with self._lock:
            now = time.monotonic()
            count, since = self._wrong.pop(address, (0, now))
            if now - since > _WINDOW_SECONDS:
                count, since = 0, now
            self._wrong[address] = count + 1, since
            while len(self._wrong) > _MOST_ADDRESSES:
                del self._wrong[next(iter(self._wrong))]


def _key(session: Session) -> str:
    return hashlib.sha256(session.id.encode()).hexdigest()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
