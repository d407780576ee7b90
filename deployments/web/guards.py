"""Who is admitted: whoever has a secret, or is a program on this machine.

A secret is sent as ``Authorization: Bearer SECRET``. Open access is only for programs on the
machine itself, and only where the operator says so.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request

from panoptes.network.errors import ConfigurationError

LEAST_SECRET_CHARACTERS = 16
_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(?::\d*)?")
_FORWARDED = (
    "forwarded", "via", "x-forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip",
    "true-client-ip", "cf-connecting-ip", "fastly-client-ip", "x-envoy-", "x-original-",
    "client-ip", "remote-addr", "wl-proxy-client-ip", "x-remote-", "x-host",
)  # fmt: skip
"""What the names of proxies' headers begin with."""


class Refused(Exception):
    """The sender did not prove who it is; the message is for our log, and holds no secret."""


class Guard(Protocol):
    """One way of proving who one is."""

    async def admit(self, request: Request) -> str:
        """Who is there, for the log.

        Raises Refused, and `panoptes.network.errors.TransientError` where it cannot be decided now.
        """
        ...


def bearer(request: Request) -> str:
    """The credential of the request's one Authorization header. Raises Refused."""
    values = request.headers.getlist("authorization")
    if len(values) != 1:
        raise Refused("no Authorization header" if not values else "two Authorization headers")
    scheme, _, credential = values[0].partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Refused("the Authorization header is no bearer token")
    return credential.strip()


class SharedSecret:
    """Senders that know a secret; compared in constant time."""

    def __init__(self, secret: str) -> None:
        """Raises ConfigurationError for a secret that could be guessed."""
        if len(secret.strip()) < LEAST_SECRET_CHARACTERS or len(set(secret)) < 6:
            raise ConfigurationError(
                f"the shared secret must be random and of {LEAST_SECRET_CHARACTERS} characters "
                "or more; `openssl rand -hex 24` makes a good one"
            )
        self._digest = _digest(secret.strip())

    async def admit(self, request: Request) -> str:
        if not hmac.compare_digest(_digest(bearer(request)), self._digest):
            raise Refused("the shared secret is wrong")
        return "a sender with the shared secret"


def _digest(secret: str) -> bytes:
    """Of one length whatever the secret's, so that comparing tells nothing of that either."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


class ThisMachine:
    """Programs on this machine; neither what a proxy forwards nor what a web page sends.

    Pages of `origins`, and the service's own, may; ``*`` stands for all.
    """

    def __init__(self, origins: Collection[str] = ()) -> None:
        self._origins = frozenset(origins)

    async def admit(self, request: Request) -> str:
        if request.client is None or not is_loopback(request.client.host):
            raise Refused("it does not come from this machine")
        if any(name.replace("_", "-").startswith(_FORWARDED) for name in request.headers):
            raise Refused("it was passed on for somebody else")
        host = _HOST.fullmatch(request.headers.get("host", ""))
        if host is None or not is_loopback(host["name"]):
            raise Refused("it was sent to another name than this machine's own")
        allowed = self._origins | {f"http://{host[0]}"}
        if "*" not in allowed and not allowed.issuperset(request.headers.getlist("origin")):
            raise Refused("a page of another site sent it")
        # Browsers say so of pictures and the like, too, which come without an Origin.
        site = request.headers.get("sec-fetch-site", "none")
        named = "*" in allowed or "origin" in request.headers
        if not named and site not in ("none", "same-origin"):
            raise Refused("a page of another site asked for it")
        return "this machine"


def header_bytes(request: Request) -> int:
    """Of the request's URL and headers, about."""
    fields = sum(len(name) + len(value) + 4 for name, value in request.headers.raw)
    return fields + len(request.scope.get("raw_path") or b"") + len(request.scope["query_string"])


def is_loopback(host: str) -> bool:
    """Whether an address or name is the machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class AnyOf:
    """Whoever one of several guards admits."""

    guards: tuple[Guard, ...]

    async def admit(self, request: Request) -> str:
        reasons = []
        for guard in self.guards:
            try:
                return await guard.admit(request)
            except Refused as refused:
                reasons.append(str(refused))
        raise Refused("; ".join(dict.fromkeys(reasons)))
