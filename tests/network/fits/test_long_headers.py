"""Headers of tens of thousands of cards are read in time that grows with their number alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from panoptes.network.fits.cards import Header
from panoptes.network.fits.header_json import header_json
from panoptes.network.fits.structure import walk_hdus
from panoptes.network.fits.tile_table import can_hold
from tests.fits_samples import card, frame, image

CARDS = 6_000


def continued(count: int) -> list[bytes]:
    return [card("LONG    = '&'"), *[card(f"CONTINUE  '{'x' * 60}&' / c")] * count]


KINDS: dict[str, Callable[[int], list[bytes]]] = {
    "continued": continued,
    "continued without text": lambda count: [card("A = '&'"), *[card("CONTINUE  '&'")] * count],
    "of one keyword": lambda count: [card("KEY     = 1")] * count,
    "of many keywords": lambda count: [card(f"K{n:07}= {n}") for n in range(count)],
    "HIERARCH": lambda count: [card(f"HIERARCH a b {n} = {n}") for n in range(count)],
    "HIERARCH without a value": lambda count: [card("HIERARCH" + " a" * 36)] * count,
    "of text": lambda count: [card("COMMENT " + "= ' " * 18), card("HISTORY x")] * (count // 2),
    "that cannot be read": lambda count: [card("KEY     = '" + "''" * 34)] * count,
}


def seconds(cards: list[bytes]) -> float:
    """The least of three: what the machine does beside it only adds."""
    file = image(frame(4, 5), cards)
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        for hdu in walk_hdus(file):
            can_hold(hdu)
            header_json(hdu.header)
            hdu.header.mapping()
        best = min(best, time.process_time() - begun)
    return best


@pytest.mark.parametrize("kind", KINDS)
def test_four_times_the_cards_take_about_four_times_as_long(kind: str) -> None:
    once, four = seconds(KINDS[kind](CARDS)), seconds(KINDS[kind](4 * CARDS))
    assert four < 8 * once + 0.05


def test_a_continued_string_and_its_comments_are_joined_whole() -> None:
    header = Header(b"".join([*continued(25_000), card("CONTINUE  'end'"), card("NEXT    = 1")]))
    text = header.get("LONG")
    assert text == "x" * 60 * 25_000 + "end"
    assert header.cards[0].comment == " ".join(["c"] * 25_000)
    assert header.get("NEXT") == 1
    assert not header.problems
