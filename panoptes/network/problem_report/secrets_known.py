"""The secrets of this process and its user, so that a report can be searched for them."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

LEAST = 4
"""Characters: shorter ones would be found in any text."""
_DELICATE = re.compile(
    r"key|token|secret|passw|pwd|auth|credential|cookie|session|dsn|url|uri|connection|proxy|private",
    re.IGNORECASE,
)
_ORDINARY = frozenset({"true", "false", "none", "null", "default", "localhost", "panoptes"})
_OF_KEYS = frozenset(
    {"private_key", "private_key_id", "client_secret", "refresh_token", "secret", "token", "hmac"}
)
_GOOGLE = "GOOGLE_APPLICATION_CREDENTIALS"
_MOST_BYTES = 1 << 20


def known_secrets(
    environment: Mapping[str, str] = os.environ,
    *,
    files: Iterable[Path] = (),
    more: Iterable[str] = (),
) -> frozenset[str]:
    """Every secret that can be found, and the spellings in which a text may hold it.

    They are looked for in variables whose names say so, in the users and queries of addresses,
    in the keys of service accounts, in Prefect's profiles, and in `files`, JSON or plain text.
    `more` are those that the caller knows.
    """
    found: set[str] = set()
    for name, value in environment.items():
        if _DELICATE.search(name) or "@" in value:
            found |= set(_of_value(value))
    for path in [*files, *_usual_files(environment)]:
        found |= set(_of_file(path))
    for value in more:
        found |= set(_of_value(value))
    plain = {each.strip() for each in found}
    kept = {e for e in plain if len(e) >= LEAST and e.lower() not in _ORDINARY and not e.isspace()}
    return frozenset(spelling for each in kept for spelling in _spellings(each))


def _usual_files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Where Google's and Prefect's programs keep theirs."""
    home = Path(environment.get("HOME") or "~").expanduser()
    if named := environment.get(_GOOGLE):
        yield Path(named).expanduser()
    config = Path(environment.get("CLOUDSDK_CONFIG") or home / ".config" / "gcloud")
    yield config / "application_default_credentials.json"
    yield Path(environment.get("PREFECT_HOME") or home / ".prefect") / "profiles.toml"


def _of_value(value: str) -> Iterator[str]:
    """A secret itself; of an address its user, password and query; of a header its end."""
    if "://" in value:
        yield from _of_address(value)
        return
    if os.sep in value and Path(value).is_absolute():
        return  # a path leads to a secret and is none
    yield value
    user, colon, password = value.partition(":")
    if colon and user and " " not in user:  # as in basic authentication
        yield password
        yield base64.b64encode(value.encode()).decode()
    scheme, blank, rest = value.partition(" ")
    if blank and scheme.lower() in ("bearer", "basic", "token"):
        yield rest
    yield from value.splitlines()


def _of_address(value: str) -> Iterator[str]:
    try:
        parts = urlsplit(value)
        password, user = parts.password, parts.username
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))
        yield base64.b64encode(f"{unquote(user or '')}:{unquote(password)}".encode()).decode()
    elif user:
        yield from (user, unquote(user))
    yield from (each for _, each in parse_qsl(parts.query))


def _of_file(path: Path) -> Iterator[str]:
    with suppress(OSError, ValueError):
        if path.stat().st_size > _MOST_BYTES:
            return
        text = path.read_text()
        if path.suffix == ".toml":
            yield from _of_profiles(text)
        elif path.suffix == ".json":
            yield from _of_json(json.loads(text))
        else:
            yield from _of_value(text.strip())


def _of_profiles(text: str) -> Iterator[str]:
    import tomllib

    for profile in tomllib.loads(text).get("profiles", {}).values():
        for name, value in profile.items() if isinstance(profile, dict) else ():
            if isinstance(value, str) and _DELICATE.search(name):
                yield from _of_value(value)


def _of_json(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, str) and (name in _OF_KEYS or _DELICATE.search(name)):
                yield from _of_value(each)
            else:
                yield from _of_json(each)
    elif isinstance(value, list):
        for each in value:
            yield from _of_json(each)


def _spellings(secret: str) -> Iterator[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield from (quote(secret, safe=""), quote_plus(secret))
    yield base64.b64encode(secret.encode("utf-8", "surrogateescape")).decode().rstrip("=")
    if "\n" in secret:
        yield from (line for line in secret.splitlines() if len(line) >= 16)
