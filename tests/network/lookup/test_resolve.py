"""Names to places, with a real server in Sesame's place and nothing else of the network."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from panoptes.network.catalog.sqlite import SqliteCatalog
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.lookup.known_names import FRESH, KnownName, KnownNames
from panoptes.network.lookup.resolve import resolve_name
from panoptes.network.lookup.resolved import Found, NoSuchName
from panoptes.network.lookup.sesame import NoAnswer, Sesame, read_answer
from panoptes.network.stars.separation import separation
from tests.local_http import SesameServer, sesame_answer, sesame_server, simbad
from tests.patience import PATIENT_SECONDS

VEGA = simbad("NAME Vega", "279.2347347", "+38.7836889")
NOWHERE = Sesame(("http://127.0.0.1:1/nph-sesame",), timeout=1.0)


@pytest.fixture
def server() -> Iterator[SesameServer]:
    with sesame_server(Vega=VEGA) as server:
        yield server


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqliteCatalog]:
    catalog = SqliteCatalog(tmp_path / "catalog.sqlite")
    catalog.check()
    yield catalog
    catalog.close()


def away() -> Sesame:
    return Sesame(("http://127.0.0.1:1/nph-sesame",), timeout=1.0)


@pytest.mark.parametrize(
    ("name", "found_as", "ra", "dec"),
    [
        ("M42", "NGC 1976", 83.82, -5.39),
        ("m 42", "NGC 1976", 83.82, -5.39),
        ("Messier 31", "NGC 224", 10.68, 41.27),
        ("NGC0224", "NGC 224", 10.68, 41.27),
        ("ngc-7000", "NGC 7000", 314.82, 44.53),
        ("IC 434", "IC 434", 85.25, -2.45),
        ("Andromeda Galaxy", "NGC 224", 10.68, 41.27),
        ("the orion nebula", "NGC 1976", 83.82, -5.39),
        ("PLEIADES", "Mel 22", 56.87, 24.11),
        ("Cat’s Eye Nebula", "NGC 6543", 269.64, 66.63),
        ("Horsehead Nebula", "B 33", 85.25, -2.46),
        ("M45", "Mel 22", 56.87, 24.11),
        ("LMC", "ESO 056-115", 80.89, -69.76),
        # OpenNGC gives this name to IC 434, which is half a degree away.
        ("Flame Nebula", "NGC 2024", 85.43, -1.86),
    ],
)
def test_catalogued_and_common_names_need_no_network(
    name: str, found_as: str, ra: float, dec: float
) -> None:
    found = resolve_name(name, sesame=NOWHERE)
    assert (found.ra, found.dec) == pytest.approx((ra, dec), abs=0.01)
    assert found.name.replace(" 056", " 56") == found_as.replace(" 056", " 56")
    assert (found.source, found.search_string) == ("OpenNGC", name)


def test_messiers_objects_are_known_without_the_network() -> None:
    sample = [*range(1, 111, 11), 40, 73, 102, 110]  # with those that are odd
    assert all(resolve_name(f"M{n}", sesame=NOWHERE).source == "OpenNGC" for n in sample)


def test_planets_are_where_they_were_at_a_moment() -> None:
    # The great conjunction: 6.1' apart, the closest since 1623.
    conjunction = datetime(2020, 12, 21, 18, 20)
    jupiter = resolve_name("Jupiter", moment=conjunction, sesame=NOWHERE)
    saturn = resolve_name("saturn", moment=conjunction, sesame=NOWHERE)
    apart = separation(jupiter.ra, jupiter.dec, saturn.ra, saturn.dec)
    assert apart == pytest.approx(6.1 / 60, abs=0.2 / 60)
    assert (jupiter.ra, jupiter.dec) == pytest.approx((302.5, -20.5), abs=0.1)
    assert (jupiter.source, jupiter.time) == ("ephemeris", conjunction.replace(tzinfo=UTC))


def test_the_moon_hides_the_sun_in_an_eclipse() -> None:
    eclipse = datetime(2024, 4, 8, 18, 20, tzinfo=UTC)
    sun, moon = (resolve_name(x, moment=eclipse, sesame=NOWHERE) for x in ("Sun", "Moon"))
    assert (moon.ra, moon.dec) == pytest.approx((sun.ra, sun.dec), abs=0.6)


def test_a_planet_without_a_moment_is_where_it_is_now() -> None:
    found = resolve_name("Mars", sesame=NOWHERE)
    assert found.time is not None
    assert abs(found.time - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_planet_beyond_the_ephemeris_is_refused_with_the_years() -> None:
    with pytest.raises(NoSuchName, match="1900 to 2099"):
        resolve_name("Mars", moment=datetime(1600, 1, 1), sesame=NOWHERE)


def test_other_names_are_asked_of_sesame_and_say_which_catalogue_knew(server: SesameServer) -> None:
    found = resolve_name("Vega", sesame=Sesame((server.url,)))
    assert (found.ra, found.dec) == (279.2347347, 38.7836889)
    assert (found.name, found.source) == ("Vega", "Sesame (Simbad)")


def test_a_name_is_sent_as_it_is_however_odd(server: SesameServer) -> None:
    odd = "[VV2006] J1+2 #%/?&é α"
    server.known[odd] = VEGA
    assert resolve_name(odd, sesame=Sesame((server.url,))).ra == 279.2347347
    assert server.asked == [odd]


def test_the_mirror_is_asked_when_the_first_address_is_away(server: SesameServer) -> None:
    sesame = Sesame(("http://127.0.0.1:1/nph-sesame", server.url), timeout=PATIENT_SECONDS)
    assert resolve_name("Vega", sesame=sesame).name == "Vega"


def test_no_such_name_is_told_apart_from_an_outage(server: SesameServer) -> None:
    sesame = Sesame((server.url,))
    with pytest.raises(NoSuchName, match="nothing is known as 'Zzyzx 1'"):
        resolve_name("Zzyzx 1", sesame=sesame)
    server.status = 503
    with pytest.raises(TransientError, match="it answers 503"):
        resolve_name("Zzyzx 2", sesame=sesame)
    with pytest.raises(TransientError, match="cannot be reached from here"):
        resolve_name("Zzyzx 2", sesame=away())


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "<html>Log in to the hotel's network</html>",
        "# Vega\t#Q1\n#! *** Nothing found ***\n",
        sesame_answer("Vega"),
        sesame_answer("Vega", "#!N=NED : *** Could not access the server ***"),
        sesame_answer("Vega", "#! *** Nothing found ***", "#!S=Simbad: *** No answer ***"),
        sesame_answer("Vega", "#=S=Simbad (via url): 1\n%J 999.0 +95.0 = ?"),
    ],
)
def test_an_answer_that_is_not_whole_is_an_outage_and_never_no_such_name(
    server: SesameServer, answer: str
) -> None:
    server.answer = answer
    with pytest.raises(TransientError):
        resolve_name("Vega", sesame=Sesame((server.url,)))


def test_an_answer_without_end_is_given_up(server: SesameServer) -> None:
    server.answer = "#" * (1 << 19)
    with pytest.raises(TransientError, match="far too long"):
        resolve_name("Vega", sesame=Sesame((server.url,)))


def test_during_an_outage_callers_get_their_answer_at_once(server: SesameServer) -> None:
    server.status = 500
    sesame = Sesame((server.url,))
    with pytest.raises(TransientError):
        sesame.ask("Vega")
    asked = len(server.asked)
    with pytest.raises(TransientError, match="a moment ago"):
        sesame.ask("Deneb")
    assert len(server.asked) == asked


def test_a_position_is_read_even_where_a_later_catalogue_is_away() -> None:
    answer = sesame_answer("Vega", VEGA, "#!N=NED : *** Could not access the server ***")
    assert read_answer(answer, "Vega") == Found("Vega", 279.2347347, 38.7836889, "Simbad")


def test_an_answer_that_is_cut_off_is_no_answer() -> None:
    with pytest.raises(NoAnswer, match="cut off"):
        read_answer("# Vega\t#Q1\n", "Vega")


def test_a_name_once_resolved_survives_an_outage_of_sesame(
    server: SesameServer, catalog: SqliteCatalog
) -> None:
    first = resolve_name("Vega", sesame=Sesame((server.url,)), known=KnownNames(catalog))
    later = resolve_name("Vega", sesame=away(), known=KnownNames(catalog))
    assert (later.ra, later.dec, later.source) == (first.ra, first.dec, "Sesame (Simbad)")
    assert first.known_since is None
    assert later.known_since is not None


def test_a_name_once_resolved_is_not_asked_for_again(
    server: SesameServer, catalog: SqliteCatalog
) -> None:
    for _ in range(3):
        resolve_name("Vega", sesame=Sesame((server.url,)), known=KnownNames(catalog))
    assert server.asked == ["Vega"]


def test_an_old_answer_is_asked_for_anew_but_stands_in_during_an_outage(
    server: SesameServer, catalog: SqliteCatalog
) -> None:
    old = KnownName(
        name="Vega", found_as="Vega", catalogue="VizieR", ra=1.0, dec=2.0,
        resolved=datetime.now(UTC) - FRESH - timedelta(days=1),
    )  # fmt: skip
    catalog.create("names", "Vega", old.fields())
    assert resolve_name("Vega", sesame=away(), known=KnownNames(catalog)).ra == 1.0
    renewed = resolve_name("Vega", sesame=Sesame((server.url,)), known=KnownNames(catalog))
    assert renewed.ra == 279.2347347
    assert resolve_name("Vega", sesame=away(), known=KnownNames(catalog)).ra == 279.2347347


def test_that_there_is_no_such_name_is_remembered_but_fills_no_catalog(
    server: SesameServer, catalog: SqliteCatalog
) -> None:
    from panoptes.network.catalog.catalog import Query

    known = KnownNames(catalog)
    for _ in range(3):
        with pytest.raises(NoSuchName):
            resolve_name("Zzyzx", sesame=Sesame((server.url,)), known=known)
    assert server.asked == ["Zzyzx"]
    assert list(catalog.query(Query("names"))) == []


def test_an_outage_is_not_remembered(server: SesameServer, catalog: SqliteCatalog) -> None:
    known = KnownNames(catalog)
    with pytest.raises(TransientError):
        resolve_name("Vega", sesame=away(), known=known)
    assert resolve_name("Vega", sesame=Sesame((server.url,)), known=known).name == "Vega"


def test_the_position_in_a_designation_stands_in_for_sesame(server: SesameServer) -> None:
    for sesame in (away(), Sesame((server.url,))):
        found = resolve_name("2MASS J05351730-0523280", sesame=sesame)
        assert (found.ra, found.dec) == pytest.approx((83.82208, -5.39111), abs=1e-5)
        assert found.source == "coordinates in the designation"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("", "is empty"), ("  \n", "is empty"), ("x" * 201, "longer than"), ("a\0b", "control")],
)
def test_what_can_be_no_name_is_refused_without_asking(text: str, sentence: str) -> None:
    with pytest.raises(NoSuchName, match=sentence):
        resolve_name(text, sesame=NOWHERE)


def test_the_addresses_of_sesame_are_a_setting() -> None:
    named = Sesame.from_environment({"PANOPTES_SESAME": "http://a/x  http://b/y"})
    assert named.addresses == ("http://a/x", "http://b/y")
    assert len(Sesame.from_environment({}).addresses) == 2
    with pytest.raises(ConfigurationError, match="ftp://a"):
        Sesame.from_environment({"PANOPTES_SESAME": "ftp://a"})
