"""A unit's upload key is given once, to who knows the unit's own secret.

Of the secret the catalogue holds a salted hash alone (scrypt, RFC 7914). A try is counted
before it is compared, so that tries side by side are no way around the limit, and that a key
was given is written down before it is sent: who loses the answer asks for a new secret.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from panoptes.network.catalog.catalog import Catalog, Fields, modify
from panoptes.network.errors import ConfigurationError
from panoptes.network.units.registry import checked_unit_id, is_unit_id

COLLECTION = "upload_keys"
"""Beside `units`, whose documents everyone may read."""
MOST_TRIES = 5
WINDOW = timedelta(hours=1)
"""In which so many wrong secrets are looked at."""
MOST_KEY_BYTES = 65_536

_MOST_SECRET = 200
_WRONG = "no key is waiting for this unit with this secret"
_COST = {"n": 2**14, "r": 8, "p": 1}


class WrongSecret(Exception):
    """No key is waiting for who says this; it is not told why."""


class TooManyTries(Exception):
    """Nobody is listened to about this unit for a while."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = max(1, round(seconds))

    def __str__(self) -> str:
        return "too many wrong secrets: try again later"


class AlreadyGiven(Exception):
    """The key was given before."""

    def __init__(self, unit_id: str) -> None:
        super().__init__(unit_id)
        self.unit_id = unit_id

    def __str__(self) -> str:
        advice = "ask the network's operators for a new one"
        return f"the key of {self.unit_id} was given already: {advice}"


@dataclass(frozen=True)
class KeyFolder:
    """The files ``UNIT.json`` that wait to be given; the operator's, and closed to others."""

    folder: Path

    def read(self, unit_id: str) -> bytes:
        """Raises ConfigurationError where the key is not there or cannot be read."""
        try:
            return self._path(unit_id).read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"the upload key of {unit_id} cannot be read: {error.strerror}"
            ) from error

    def put(self, unit_id: str, key: bytes) -> Path:
        """Keep a key, in place of an earlier one. Raises ConfigurationError."""
        path = self._path(unit_id)
        passing = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(
                os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as f:
                f.write(key)
                f.flush()
                os.fsync(f.fileno())
            passing.replace(path)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
        finally:
            passing.unlink(missing_ok=True)
        return path

    def _path(self, unit_id: str) -> Path:
        return self.folder / f"{checked_unit_id(unit_id)}.json"


def checked_key(data: bytes) -> bytes:
    """The key itself. Raises ConfigurationError for what `pocs network get-key` cannot save."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ConfigurationError("the key is no text, so POCS cannot save it") from None
    if not text.strip() or len(data) > MOST_KEY_BYTES:
        raise ConfigurationError("the key is empty, or longer than any key")
    return data


def new_secret(catalog: Catalog, unit_id: str) -> str:
    """A new secret for a unit's key, in place of an earlier one; it is kept nowhere."""
    secret, salt = secrets.token_urlsafe(24), secrets.token_bytes(16)
    fields: Fields = {
        "salt": salt.hex(),
        "hash": _hashed(secret, salt).hex(),
        "made": datetime.now(UTC),
        "given": None,
        "tries": 0,
        "since": None,
    }
    modify(catalog, COLLECTION, unit_id, lambda before: fields)
    return secret


def claim(catalog: Catalog, folder: KeyFolder, unit_id: str, secret: str) -> bytes:
    """The unit's key, once.

    Raises WrongSecret, TooManyTries and AlreadyGiven; ConfigurationError where the secret is
    right and no key is there, which then can be asked for again.
    """
    known = _count_try(catalog, unit_id) if is_unit_id(unit_id) else None
    if known is None or len(secret) > _MOST_SECRET:
        raise WrongSecret(_WRONG)
    salt, wanted = bytes.fromhex(known["salt"]), bytes.fromhex(known["hash"])
    if not hmac.compare_digest(_hashed(secret, salt), wanted):
        raise WrongSecret(_WRONG)
    if known.get("given") is not None:
        raise AlreadyGiven(unit_id)
    key = folder.read(unit_id)
    _mark_given(catalog, unit_id, known)
    return key


def _count_try(catalog: Catalog, unit_id: str) -> Fields | None:
    now = datetime.now(UTC)

    def change(before: Fields | None) -> Fields | None:
        if before is None:
            return None
        since, tries = before.get("since"), before.get("tries", 0)
        if not isinstance(since, datetime) or now - since >= WINDOW:
            return {"since": now, "tries": 1}
        if tries >= MOST_TRIES:
            raise TooManyTries((since + WINDOW - now).total_seconds())
        return {"tries": tries + 1}

    return modify(catalog, COLLECTION, unit_id, change) or None


def _mark_given(catalog: Catalog, unit_id: str, known: Fields) -> None:
    """Raises AlreadyGiven, to all but one of those who come at once."""
    now = datetime.now(UTC)

    def change(before: Fields | None) -> Fields:
        if before is None or before.get("hash") != known["hash"]:
            raise WrongSecret(_WRONG)
        if before.get("given") is not None:
            raise AlreadyGiven(unit_id)
        return {"given": now, "tries": 0}

    modify(catalog, COLLECTION, unit_id, change)


def _hashed(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode("utf-8", "surrogatepass"), salt=salt, dklen=32, **_COST)
