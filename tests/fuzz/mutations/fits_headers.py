"""Damage of a FITS file's headers: values, keywords, cards, and blocks."""

from __future__ import annotations

import re
from collections.abc import Callable

from panoptes.network.fits.cards import BLOCK, CARD, padded
from panoptes.network.keywords import KEYWORDS
from tests.fuzz.mutations.any_file import WHOLE_NUMBERS, Generator, Mutator, flip_bits
from tests.fuzz.seeds import choose

_VALUES = (
    *("T", "F", "", "NaN", "inf", "-", "1.5", "-0.0", "1E400", "-1E400", "1E-400", ".", "1E5"),
    *("9.99E307", "1D5", "16.0", "-32", "(1.0, 2.0)", "(1E999, 0)", "0x10", "1_000", "+5"),
    *("''", "'x'", "' '", "'&'", "'a''b'", "'a&'", "'unclosed", "'T'", "'1'", "'1.5'", "'nan'"),
    *("'GZIP_1'", "'GZIP_2'", "'RICE_1'", "'RICE_ONE'", "'PLIO_1'", "'HCOMPRESS_1'"),
    *("'NOCOMPRESS'", "'BLOCKSIZE'", "'BYTEPIX'", "'SCALE'", "'SMOOTH'", "'NOISEBIT'"),
    *("'NONE'", "'NO_DITHER'", "'SUBTRACTIVE_DITHER_1'", "'SUBTRACTIVE_DITHER_2'", "'IMAGE'"),
    *("'COMPRESSED_DATA'", "'GZIP_COMPRESSED_DATA'", "'UNCOMPRESSED_DATA'", "'ZSCALE'"),
    *("'ZZERO'", "'ZBLANK'", "'1PB(5)'", "'PB'", "'QB'", "'1QB(9)'", "'1PI'", "'1PJ(3)'"),
    *("'0PB'", "'2PB'", "'99999999PB'", "'1PZ'", "'1J'", "'8A'", "'4X'", "'1D'", "'A'"),
    *("'BINTABLE'", "'TABLE'", "'A3DTABLE'", "'IUEIMAGE'", "'COMPRESSED_IMAGE'"),
    *("'2018-02-16T11:24:30'", "'9999-99-99'", "'1/0'", "'11 C'", "'-6 6 6'", "'12:12:12'"),
    "'caf\xe9'",
    "'tab\there'",
    "'\x1b[31mred'",
    "'=cmd|x'",
    "'<b>[x](y)'",
    "'\x00'",
)
STRUCTURE = (
    *("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT", "GCOUNT"),
    *("EXTEND", "GROUPS", "BLOCKED", "END", "EXTNAME", "EXTVER", "EXTLEVEL", "CHECKSUM"),
    *("DATASUM", "BSCALE", "BZERO", "BLANK", "BUNIT", "DATAMIN", "INHERIT"),
)
TABLE = (
    *("TFIELDS", "TFORM1", "TFORM2", "TTYPE1", "TTYPE2", "TDIM1", "TNULL1", "TSCAL1", "TZERO1"),
    *("TUNIT1", "TDISP1", "THEAP", "ZIMAGE", "ZTABLE", "ZCMPTYPE", "ZBITPIX", "ZNAXIS"),
    *("ZNAXIS1", "ZNAXIS2", "ZNAXIS3", "ZTILE1", "ZTILE2", "ZTILE3", "ZNAME1", "ZNAME2"),
    *("ZNAME3", "ZVAL1", "ZVAL2", "ZVAL3", "ZQUANTIZ", "ZDITHER0", "ZSCALE", "ZZERO", "ZBLANK"),
    *("ZMASKCMP", "ZSIMPLE", "ZTENSION", "ZEXTEND", "ZPCOUNT", "ZGCOUNT", "ZHECKSUM", "ZDATASUM"),
    *("ZBLOCKED", "PCOUNT", "GCOUNT", "NAXIS1", "NAXIS2", "XTENSION", "EXTNAME"),
)
_KNOWN = tuple(sorted({card for keyword in KEYWORDS for card in keyword.cards if len(card) <= 8}))
_ODD_CARDS = (
    "CONTINUE  'stray'",
    "CONTINUE  'more&'",
    "CONTINUE  no string",
    "CONTINUE= 'x'",
    "CONTINUE",
    "LONGSTR = 'goes on&'",
    "HIERARCH",
    "HIERARCH = 1",
    "HIERARCH  =",
    "HIERARCH a = 1",
    "HIERARCH ESO DET = 'x&'",
    "HIERARCH EXPTIME = 'x'",
    "HIERARCH NAXIS1 = 5",
    "HIERARCH ZIMAGE = F",
    "hierarch lower = 3",
    "COMMENT = 'value'",
    "COMMENT",
    "HISTORY \x07 bell",
    "        = 5",
    "         blank keyword",
    "lower   = 1",
    "A.B     = 1",
    "SPA CE  = 1",
    "=       = 1",
    "-KEY    = 1",
    "KEY\t    = 1",
    "KEY\n\r   = 1",
    "KEY\xa0\xa0\xa0\xa0\xa0= 1",
    "\x85KEY    = 1",
    "KEY     =1",
    "KEY     = 1/no blank",
    "KEY     = '" + "'" * 60,
    "KEY     = " + "9" * 70,
    "KEY     = 1." + "0" * 60,
    "KEY     = 1E" + "9" * 60,
    "END     = 1",
    "END\t",
    "SIMPLE  =                    T",
    "\x00",
    "\xff" * 80,
)


_END = re.compile(rb"END {5}")


def headers_of(data: bytes) -> list[tuple[int, int]]:
    """Where cards begin and where END is, of every header that can be made out."""
    found = []
    position = 0
    while position < len(data):
        if position == 0 or data.startswith(b"XTENSION", position):
            end = next(
                (
                    m.start()
                    for m in _END.finditer(data, position)
                    if not (m.start() - position) % CARD
                ),
                None,
            )
            if end is None:
                break
            found.append((position, end))
            position += padded(end + CARD - position)
        else:
            position += BLOCK
    return found


def _edited(data: bytes, generator: Generator, edit: Callable[[list[bytes]], None]) -> bytes:
    """One header's cards edited; the data behind stay on a block's edge, most of the time."""
    headers = headers_of(data)
    if not headers:
        return flip_bits(data, generator)
    start, end = generator.choice(headers)
    cards = [data[i : i + CARD] for i in range(start, end, CARD)]
    edit(cards)
    raw = b"".join(cards) + b"END".ljust(CARD)
    behind = data[start + padded(end + CARD - start) :]
    if generator.random() < 0.95:
        raw = raw.ljust(padded(len(raw)))
    return data[:start] + raw + behind


def _value(generator: Generator) -> str:
    if generator.random() < 0.5:
        sign = generator.choice(("", "", "", "-"))
        return f"{sign}{generator.choice(WHOLE_NUMBERS)}"
    return generator.choice(_VALUES)


def card_of(keyword: str, value: str, generator: Generator) -> bytes:
    form = generator.choice(("{:8}= {:>20}", "{:8}= {:20}", "{:8}= {}", "{:8}={}"))
    comment = generator.choice(("", "", " / comment", "/", " / '&'"))
    return (form.format(keyword, value) + comment).encode("latin-1").ljust(CARD)[:CARD]


def _place_of(cards: list[bytes], keyword: str, generator: Generator) -> int:
    places = [i for i, card in enumerate(cards) if card[:8].rstrip() == keyword.encode()]
    return generator.choice(places) if places else -1


def set_value_of(names: tuple[str, ...]) -> Mutator:
    def set_card(data: bytes, generator: Generator) -> bytes:
        def edit(cards: list[bytes]) -> None:
            keyword = generator.choice(names)
            card = card_of(keyword, _value(generator), generator)
            place = _place_of(cards, keyword, generator)
            if place >= 0:
                cards[place] = card
            else:
                cards.insert(generator.randrange(len(cards) + 1), card)

        return _edited(data, generator, edit)

    return set_card


def _set_any_value(data: bytes, generator: Generator) -> bytes:
    def edit(cards: list[bytes]) -> None:
        if cards:
            place = generator.randrange(len(cards))
            keyword = cards[place][:8].decode("latin-1")
            cards[place] = card_of(keyword, _value(generator), generator)

    return _edited(data, generator, edit)


def _soil_keyword(data: bytes, generator: Generator) -> bytes:
    """Bytes of a keyword, or the blanks behind it, become others."""

    def edit(cards: list[bytes]) -> None:
        if not cards:
            return
        place = generator.randrange(len(cards))
        soil = generator.choice((b"\t", b"\n", b"\r", b"\0", b"\x85", b"\xa0", b"\x1c", b".", b"a"))
        card = bytearray(cards[place])
        blank = len(card[:8].rstrip())
        if generator.random() < 0.2:
            card[:8] = generator.choice((card[:8].lower(), card[:8].replace(b"I", b"\xc4\xb1")[:8]))
            cards[place] = bytes(card[:CARD])
            return
        if generator.random() < 0.5 and blank < 8:
            card[blank:8] = soil * (8 - blank)
        else:
            card[generator.randrange(10)] = soil[0]
        cards[place] = bytes(card)

    return _edited(data, generator, edit)


def _soil_card(data: bytes, generator: Generator) -> bytes:
    def edit(cards: list[bytes]) -> None:
        for _ in range(generator.choice((1, 3, 10)) if cards else 0):
            place = generator.randrange(len(cards))
            card = bytearray(cards[place])
            soil = generator.choice(b"\0\t\n\x1b\x7f\x85\xa0\xc3\xff'&/=()0TE. ")
            card[generator.randrange(CARD)] = soil
            cards[place] = bytes(card)

    return _edited(data, generator, edit)


def _reorder_cards(data: bytes, generator: Generator) -> bytes:
    def edit(cards: list[bytes]) -> None:
        if not cards:
            return
        first, second = generator.randrange(len(cards)), generator.randrange(len(cards))
        match generator.randrange(5):
            case 0:
                del cards[first]
            case 1:
                cards.insert(second, cards[first])
            case 2:
                cards[first], cards[second] = cards[second], cards[first]
            case 3:
                cards.insert(second, cards.pop(first))
            case 4:
                cards[first:second] = cards[first:second][::-1]

    return _edited(data, generator, edit)


def _odd_card(data: bytes, generator: Generator) -> bytes:
    def edit(cards: list[bytes]) -> None:
        odd = generator.choice(_ODD_CARDS).encode("latin-1").ljust(CARD)[:CARD]
        times = generator.choices((1, 2, 5, 2000), (70, 15, 14, 1))[0]
        place = generator.randrange(len(cards) + 1)
        cards[place:place] = [odd] * times

    return _edited(data, generator, edit)


def _lookalike(data: bytes, generator: Generator) -> bytes:
    """A card that is one of the structure's but for its case, or behind HIERARCH."""

    def edit(cards: list[bytes]) -> None:
        keyword = generator.choice(STRUCTURE + TABLE)
        name = generator.choice((f"{keyword.lower():8}", f"HIERARCH {keyword} ", f" {keyword:7}"))
        card = f"{name}= {_value(generator)}".encode("latin-1").ljust(CARD)[:CARD]
        cards.insert(generator.randrange(len(cards) + 1), card)

    return _edited(data, generator, edit)


def _other_header(data: bytes, generator: Generator) -> bytes:
    """Cards of another seed, put into this one's."""
    other = choose(generator).data
    found = headers_of(other)
    if not found:
        return _odd_card(data, generator)
    start, end = generator.choice(found)

    def edit(cards: list[bytes]) -> None:
        taken = [other[i : i + CARD] for i in range(start, end, CARD)]
        place = generator.randrange(len(cards) + 1)
        cards[place:place] = generator.sample(taken, min(len(taken), generator.choice((1, 4, 40))))

    return _edited(data, generator, edit)


def _blocks(data: bytes, generator: Generator) -> bytes:
    blocks = [data[i : i + BLOCK] for i in range(0, len(data), BLOCK)]
    if not blocks:
        return data
    first, second = generator.randrange(len(blocks)), generator.randrange(len(blocks))
    match generator.randrange(5):
        case 0:
            del blocks[first]
        case 1:
            blocks.insert(second, blocks[first])
        case 2:
            blocks[first], blocks[second] = blocks[second], blocks[first]
        case 3:
            blocks.insert(first, generator.choice((bytes(BLOCK), b" " * BLOCK)))
        case 4:
            blocks[first:] *= generator.choice((2, 20))
    return b"".join(blocks)


HEADER: tuple[Mutator, ...] = (
    *(
        set_value_of(STRUCTURE),
        set_value_of(STRUCTURE),
        set_value_of(_KNOWN),
        _set_any_value,
        _soil_keyword,
    ),
    *(_soil_card, _reorder_cards, _odd_card, _lookalike, _other_header, _blocks),
)
