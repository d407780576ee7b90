"""Who may tell the receiver of files: Google's signed tokens, a shared secret, this machine.

A push subscription or an Eventarc trigger signs each request with an OpenID Connect token
of its service account (https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions).
Others send a secret as ``Authorization: Bearer SECRET``. Open access is only for programs
on the receiver's own machine, and only where the operator says so.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from deployments.receiver.certificates import Certificates
from panoptes.network.errors import ConfigurationError

LEAST_SECRET_CHARACTERS = 16
CLOCK_SKEW_SECONDS = 10
_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
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


class GoogleTokens:
    """Tokens that Google signed for one of some service accounts, meant for this receiver."""

    def __init__(
        self, *, audience: str, service_accounts: Collection[str], certificates: Certificates
    ) -> None:
        """Raises ConfigurationError for a choice that would let everyone's tokens in."""
        if not audience.strip():
            raise ConfigurationError(
                "Google's tokens need an audience: the URL that the push subscription names"
            )
        accounts = frozenset(each.strip().lower() for each in service_accounts)
        if not accounts or not all("@" in each and "*" not in each for each in accounts):
            raise ConfigurationError(
                "Google signs tokens for everyone: name the service accounts that may push, "
                "each by its e-mail address"
            )
        self._audience, self._accounts = audience, accounts
        self._certificates = certificates

    async def admit(self, request: Request) -> str:
        return await self.verify(bearer(request))

    async def verify(self, token: str) -> str:
        """The service account that a token speaks for. Raises Refused and TransientError."""
        from google.auth import jwt
        from google.auth.exceptions import GoogleAuthError

        try:
            header: Mapping[str, Any] = jwt.decode_header(token)  # type: ignore[no-untyped-call]
            key_id = _key_id(header)
            claims: Mapping[str, Any] = jwt.decode(token, verify=False)  # type: ignore[no-untyped-call]
            _check_types(claims)
            # Only now is it worth a request for certificates.
            certificates = await self._certificates.holding(key_id)
            if key_id not in certificates:
                raise Refused("it is signed by a key that Google does not list")
            jwt.decode(  # type: ignore[no-untyped-call]
                token,
                certs={key_id: certificates[key_id]},
                audience=self._audience,
                clock_skew_in_seconds=CLOCK_SKEW_SECONDS,
            )
        except RecursionError:
            raise Refused("the token is nested too deeply") from None
        except (ValueError, GoogleAuthError) as error:
            # Some of the library's messages repeat the token.
            raise Refused(f"the token is not valid ({_kind(error)})") from None
        if claims.get("iss") not in _ISSUERS:
            raise Refused("the token is not issued by Google")
        account = str(claims.get("email", "")).lower()
        if claims.get("email_verified") is not True or account not in self._accounts:
            raise Refused(f"{account[:100]!r} is not one of the service accounts that may push")
        return account


def _key_id(header: Mapping[str, Any]) -> str:
    """The id of the key that signed. Raises Refused for any algorithm but Google's."""
    if header.get("alg") != "RS256":
        raise Refused("the token is not signed with RS256")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise Refused("the token does not say which key signed it")
    return key_id


def _check_types(claims: Mapping[str, Any]) -> None:
    """Raises Refused unless the claims are of the types that RFC 7519, section 4.1 gives."""
    for name in ("iat", "exp"):
        value = claims.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**40:
            raise Refused(f"the token has no {name} that is a time")
    for name in ("iss", "aud", "email"):
        if not isinstance(claims.get(name), str):
            raise Refused(f"the token has no {name}")


def _kind(error: Exception) -> str:
    text = str(error)
    for sign, kind in (
        ("expired", "expired"),
        ("too early", "not yet valid"),
        ("audience", "meant for another receiver"),
        ("signature", "wrong signature"),
    ):
        if sign in text:
            return kind
    return "not a token"


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


def choose_guard(
    *,
    audience: str | None,
    service_accounts: Collection[str],
    secret: str | None,
    open_on: str | None,
    certificates: Certificates,
) -> Guard:
    """The guard that the operator's settings ask for.

    `open_on` is the address that is listened on, where access from this machine is to be
    open. Raises ConfigurationError for settings that would accept everyone, or nobody.
    """
    guards: list[Guard] = []
    if secret is not None:
        guards.append(SharedSecret(secret))
    if audience is not None or service_accounts:
        guards.append(
            GoogleTokens(
                audience=audience or "",
                service_accounts=service_accounts,
                certificates=certificates,
            )
        )
    if open_on is not None:
        if not is_loopback(open_on):
            raise ConfigurationError(
                f"a receiver on {open_on} cannot be open to everyone: listen on 127.0.0.1, or "
                "set a shared secret or the service accounts that may push"
            )
        if guards:
            raise ConfigurationError(
                "a receiver that is open needs neither secret nor service accounts: choose one"
            )
        guards.append(ThisMachine())
    if not guards:
        raise ConfigurationError(
            "nobody may tell the receiver of files yet: set PANOPTES_RECEIVER_SECRET, or "
            "PANOPTES_RECEIVER_AUDIENCE and PANOPTES_RECEIVER_SERVICE_ACCOUNTS; or, on this "
            "machine alone, PANOPTES_RECEIVER_OPEN=true"
        )
    return guards[0] if len(guards) == 1 else AnyOf(tuple(guards))
