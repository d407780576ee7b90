"""Who may tell the receiver of files: Google's signed tokens, a shared secret, this machine.

A push subscription or an Eventarc trigger signs each request with an OpenID Connect token
of its service account (https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from starlette.requests import Request

from deployments.receiver.certificates import Certificates
from deployments.web.guards import (
    AnyOf,
    Guard,
    Refused,
    SharedSecret,
    ThisMachine,
    bearer,
    is_loopback,
)
from panoptes.network.errors import ConfigurationError

CLOCK_SKEW_SECONDS = 10
_ISSUERS = ("https://accounts.google.com", "accounts.google.com")


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
