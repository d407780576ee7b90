"""Who is admitted, and what an operator cannot set by mistake."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request

from deployments.receiver.authentication import GoogleTokens, choose_guard
from deployments.receiver.certificates import AGAIN_SECONDS, Certificates
from deployments.web.guards import AnyOf, Guard, Refused, SharedSecret, ThisMachine
from panoptes.network.errors import ConfigurationError, TransientError
from tests.deployments.receiver.signing import (
    ACCOUNT,
    AUDIENCE,
    CertificateServer,
    Key,
    certificate_server,
    claims,
    google,
    signed_with_the_certificate,
    stranger,
    unsigned,
)

SECRET = "correct horse battery staple"


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[CertificateServer]:
    with certificate_server() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(server: CertificateServer, clock: Clock) -> GoogleTokens:
    return GoogleTokens(
        audience=AUDIENCE,
        service_accounts=[ACCOUNT],
        certificates=Certificates(server.url, clock=clock),
    )


def request(*headers: tuple[str, str], client: str = "127.0.0.1") -> Request:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "headers": raw, "client": (client, 50000), "path": "/"})


def bearing(credential: str) -> Request:
    return request(("Authorization", f"Bearer {credential}"))


def admit(guard: Guard, asked: Request) -> str:
    return asyncio.run(guard.admit(asked))


def test_a_good_token_is_admitted_under_its_account(guard: GoogleTokens) -> None:
    assert admit(guard, bearing(google().sign(claims()))) == ACCOUNT


def hours(number: float) -> int:
    return int(time.time() + 3600 * number)


BAD_TOKENS: dict[str, Any] = {
    "expired": lambda: google().sign(claims(iat=hours(-2), exp=hours(-1))),
    "issued in the future": lambda: google().sign(claims(iat=hours(1), exp=hours(2))),
    "for another audience": lambda: google().sign(claims(aud="https://elsewhere.example.org")),
    "for several audiences": lambda: google().sign(claims(aud=[AUDIENCE, "x"])),
    "without an audience": lambda: google().sign(claims(aud=None)),
    "of another issuer": lambda: google().sign(claims(iss="https://evil.example.org")),
    "of another account": lambda: google().sign(claims(email="somebody@gmail.com")),
    "of an unverified account": lambda: google().sign(claims(email_verified=False)),
    "verified by a word": lambda: google().sign(claims(email_verified="true")),
    "without an account": lambda: google().sign(claims(email=None)),
    "without an expiry": lambda: google().sign(claims(exp=None)),
    "with an endless expiry": lambda: google().sign(claims(exp=2**70)),
    "with a true expiry": lambda: google().sign(claims(exp=True)),
    "forged under the same key id": lambda: stranger().sign(claims()),
    "of an unknown key": lambda: google().sign(claims(), key_id="key-9"),
    "unsigned": lambda: unsigned({"alg": "RS256", "kid": "key-1"}, claims()),
    "alg none": lambda: unsigned({"alg": "none", "kid": "key-1"}, claims()),
    "alg None": lambda: unsigned({"alg": "None", "kid": "key-1"}, claims()),
    "no alg": lambda: unsigned({"kid": "key-1"}, claims()),
    "alg a list": lambda: unsigned({"alg": ["RS256"], "kid": "key-1"}, claims()),
    "signed with the certificate": signed_with_the_certificate,
    "kid an object": lambda: unsigned({"alg": "RS256", "kid": {}}, claims()),
    "no kid": lambda: unsigned({"alg": "RS256"}, claims()),
    "no object": lambda: unsigned([], []),
    "nested deeply": lambda: unsigned({"alg": "RS256", "kid": "key-1"}, {}).replace(
        ".", f".{'W1tb' * 3000}", 1
    ),
    "garbage": lambda: "abc",
    "empty parts": lambda: "..",
    "not ASCII": lambda: "é.é.é",
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_is_refused_and_not_repeated(guard: GoogleTokens, kind: str) -> None:
    token = BAD_TOKENS[kind]()
    with pytest.raises(Refused) as refused:
        admit(guard, bearing(token))
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Basic YTpi")],
        [("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
    ],
)
def test_a_request_without_one_credential_is_refused(
    guard: GoogleTokens, headers: list[tuple[str, str]]
) -> None:
    for each in (guard, SharedSecret(SECRET)):
        with pytest.raises(Refused):
            admit(each, request(*headers))


def test_certificates_are_fetched_once_for_many_tokens(
    guard: GoogleTokens, server: CertificateServer
) -> None:
    async def many() -> None:
        await asyncio.gather(*(guard.verify(google().sign(claims(sub=str(n)))) for n in range(20)))

    asyncio.run(many())
    assert server.fetched == 1


def test_certificates_are_fetched_again_when_their_time_is_over(
    guard: GoogleTokens, server: CertificateServer, clock: Clock
) -> None:
    for seconds in (0, 3599, 2):
        clock.now += seconds
        admit(guard, bearing(google().sign(claims())))
    assert server.fetched == 2


def test_a_new_key_of_googles_is_known_at_once_but_strangers_cannot_make_us_ask(
    guard: GoogleTokens, server: CertificateServer, clock: Clock
) -> None:
    admit(guard, bearing(google().sign(claims())))
    new = Key("key-2")
    server.keys.append(new)
    clock.now += AGAIN_SECONDS
    assert admit(guard, bearing(new.sign(claims()))) == ACCOUNT
    for number in range(10):
        with pytest.raises(Refused):
            admit(guard, bearing(new.sign(claims(), key_id=f"made-up-{number}")))
    assert server.fetched == 2


def test_a_token_that_cannot_be_verified_now_is_not_refused_for_good(
    guard: GoogleTokens, server: CertificateServer, clock: Clock
) -> None:
    server.status = 500
    with pytest.raises(TransientError):
        admit(guard, bearing(google().sign(claims())))
    with pytest.raises(TransientError):
        admit(guard, bearing(google().sign(claims())))
    assert server.fetched == 1, "an outage is not made worse"
    server.status = 200
    clock.now += 10
    assert admit(guard, bearing(google().sign(claims()))) == ACCOUNT


def test_the_shared_secret_is_admitted_and_nothing_else() -> None:
    guard = SharedSecret(SECRET)
    assert admit(guard, bearing(SECRET)) == "a sender with the shared secret"
    for wrong in (SECRET[:-1], f"{SECRET}x", SECRET.upper(), "é"):
        with pytest.raises(Refused) as refused:
            admit(guard, bearing(wrong))
        assert wrong not in str(refused.value)


def test_either_of_two_proofs_is_enough(guard: GoogleTokens) -> None:
    either = AnyOf((SharedSecret(SECRET), guard))
    assert admit(either, bearing(SECRET)) == "a sender with the shared secret"
    assert admit(either, bearing(google().sign(claims()))) == ACCOUNT
    with pytest.raises(Refused):
        admit(either, bearing("neither"))


@pytest.mark.parametrize("host", ["127.0.0.1:8400", "localhost", "[::1]:8400", "LOCALHOST:1"])
def test_programs_on_this_machine_are_admitted_where_it_is_open(host: str) -> None:
    assert admit(ThisMachine(), request(("Host", host))) == "this machine"


@pytest.mark.parametrize(
    "asked",
    [
        request(("Host", "127.0.0.1"), client="192.0.2.7"),
        request(("Host", "127.0.0.1"), ("X-Forwarded-For", "192.0.2.7")),
        request(("Host", "127.0.0.1"), ("Forwarded", "for=192.0.2.7")),
        request(("Host", "127.0.0.1"), ("Origin", "https://evil.example.org")),
        request(("Host", "rebound.example.org:8400")),
        request(("Host", "[")),
        request(),
    ],
    ids=["another machine", "a proxy", "a proxy too", "a web page", "a name", "nonsense", "none"],
)
def test_nobody_else_gets_in_through_an_open_receiver(asked: Request) -> None:
    with pytest.raises(Refused):
        admit(ThisMachine(), asked)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "nobody may tell"),
        ({"audience": AUDIENCE}, "service accounts"),
        ({"service_accounts": [ACCOUNT]}, "audience"),
        ({"audience": " ", "service_accounts": [ACCOUNT]}, "audience"),
        ({"audience": AUDIENCE, "service_accounts": ["*"]}, "e-mail"),
        ({"audience": AUDIENCE, "service_accounts": ["*@example.org"]}, "e-mail"),
        ({"audience": AUDIENCE, "service_accounts": [""]}, "e-mail"),
        ({"secret": ""}, "16 characters"),
        ({"secret": "short"}, "16 characters"),
        ({"secret": "a" * 40}, "random"),
        ({"open_on": "0.0.0.0"}, "cannot be open"),
        ({"open_on": "::"}, "cannot be open"),
        ({"open_on": "192.0.2.1"}, "cannot be open"),
        ({"open_on": "127.0.0.1", "secret": SECRET}, "choose one"),
    ],
)
def test_settings_that_would_accept_everyone_are_refused(
    settings: dict[str, Any], sentence: str
) -> None:
    nothing: dict[str, Any] = {
        "audience": None,
        "service_accounts": [],
        "secret": None,
        "open_on": None,
    }
    with pytest.raises(ConfigurationError, match=sentence):
        choose_guard(**nothing | settings, certificates=Certificates())
