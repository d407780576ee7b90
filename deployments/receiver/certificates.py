"""The certificates with which Google's tokens are verified, fetched once and kept.

Google changes its keys every few days and says by Cache-Control how long an answer holds
(https://developers.google.com/identity/openid-connect/openid-connect#discovery).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping

import httpx

from panoptes.network.errors import TransientError

GOOGLE = "https://www.googleapis.com/oauth2/v1/certs"
LEAST_SECONDS, MOST_SECONDS = 300.0, 86_400.0
"""Between these the answer's own word decides how long it holds."""
AGAIN_SECONDS = 60.0
"""So often at most is asked for the sake of a key that is not listed: anyone can name one."""
PAUSE_SECONDS = 5.0
"""After a failure nobody waits for another one so soon."""
TIMEOUT_SECONDS = 5.0
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})")


class Certificates:
    """PEM certificates by the id of their key."""

    def __init__(self, url: str = GOOGLE, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock = url, clock
        self._known: Mapping[str, str] = {}
        self._fetched = self._holds_until = self._failed = -float("inf")
        self._lock = asyncio.Lock()

    async def holding(self, key_id: str) -> Mapping[str, str]:
        """All certificates, asked for anew if they are old or lack `key_id`.

        Raises TransientError where they are needed and cannot be had.
        """
        async with self._lock:
            now = self._clock()
            is_unknown = key_id not in self._known and now - self._fetched >= AGAIN_SECONDS
            if now >= self._holds_until or is_unknown:
                await self._fetch(now)
            return self._known

    async def _fetch(self, now: float) -> None:
        if now - self._failed < PAUSE_SECONDS:
            raise TransientError("Google's certificates could not be had a moment ago")
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                answer = (await client.get(self._url)).raise_for_status()
                known = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            self._failed = now
            raise TransientError(f"Google's certificates cannot be had now: {error!r}") from error
        if not isinstance(known, dict) or not all(isinstance(pem, str) for pem in known.values()):
            self._failed = now
            raise TransientError("Google's certificates came in a form that is not theirs")
        said = _MAX_AGE.search(answer.headers.get("cache-control", ""))
        age = float(said[1]) if said else LEAST_SECONDS
        self._known, self._fetched = known, now
        self._holds_until = now + min(max(age, LEAST_SECONDS), MOST_SECONDS)
