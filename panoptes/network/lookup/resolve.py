"""A name, or coordinates in any notation, becomes a place on the sky.

1. Coordinates written in the text.
2. The Sun, the Moon and the planets, at a moment.
3. Messier, NGC, IC and common names, from a catalogue that is installed with us.
4. Anything else by Sesame; what it once said stands in while it is away.

Only the last step needs the network.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.lookup.deep_sky import deep_sky_object
from panoptes.network.lookup.known_names import KnownNames
from panoptes.network.lookup.resolved import Found, NoSuchName, Resolved, tidy
from panoptes.network.lookup.sesame import Sesame
from panoptes.network.lookup.solar_system import body_named, position_of
from panoptes.network.lookup.written_coordinates import read_coordinates, read_designation
from panoptes.network.safe_text import safe_log

log = safe_log(__name__)


def resolve_name(
    search_string: str,
    *,
    moment: datetime | None = None,
    sesame: Sesame | None = None,
    known: KnownNames | None = None,
) -> Resolved:
    """Where `search_string` is, in degrees (ICRS).

    `moment` is for what moves, UTC if it has no zone, by default now. Raises NoSuchName,
    and TransientError when only Sesame could tell and is away.
    """
    text = tidy(search_string)
    time = known_since = None
    if (written := read_coordinates(text)) is not None:
        found = Found(text, *written, "coordinates")
    elif (body := body_named(text)) is not None:
        time = utc(moment)
        found = Found(body.capitalize(), *position_of(body, time), "ephemeris")
    elif (catalogued := deep_sky_object(text)) is not None:
        found = catalogued
    else:
        found, known_since = _ask_sesame(
            text, sesame or Sesame.from_environment(), known or KnownNames(None)
        )
    return Resolved(
        search_string=search_string,
        ra=found.ra,
        dec=found.dec,
        name=found.name,
        source=found.catalogue,
        time=time,
        known_since=known_since,
    )


def _ask_sesame(text: str, sesame: Sesame, known: KnownNames) -> tuple[Found, datetime | None]:
    """Where Sesame has it, and since when that is known if it was not asked now."""
    before = known.get(text)
    if before is not None and before.is_fresh:
        return _by_sesame(before.found), before.resolved
    if known.is_unknown(text):
        raise NoSuchName(_nobody_knows(text))
    answer, outage = None, None
    try:
        answer = sesame.ask(text)
    except TransientError as error:
        if before is not None:
            return _by_sesame(before.found), before.resolved
        outage = error
    if answer is not None:
        try:
            known.keep(text, answer)
        except (TransientError, ConfigurationError) as error:
            log.warning("%r was found but cannot be kept: %s", text, error)
        return _by_sesame(answer), None
    if (designated := read_designation(text)) is not None:
        return Found(text, *designated, "coordinates in the designation"), None
    if outage is not None:
        raise outage
    known.keep_unknown(text)
    raise NoSuchName(_nobody_knows(text))


def _nobody_knows(text: str) -> str:
    return (
        f"nothing is known as {text!r}: it is no pair of coordinates, and neither OpenNGC nor "
        "SIMBAD, NED and VizieR have an object of this name"
    )


def _by_sesame(found: Found) -> Found:
    return replace(found, catalogue=f"Sesame ({found.catalogue})")


def utc(moment: datetime | None) -> datetime:
    if moment is None:
        return datetime.now(UTC)
    return moment.replace(tzinfo=UTC) if moment.utcoffset() is None else moment.astimezone(UTC)
