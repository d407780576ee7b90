"""Damage of every kind, each a function of its number: the same number, the same bytes."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from panoptes.network.errors import BadInput
from panoptes.network.fits.cards import BLOCK, CARD, padded
from panoptes.network.fits.checksum import checksum, sealed_header
from panoptes.network.fits.structure import walk_hdus
from panoptes.network.keywords import KEYWORDS
from tests.fuzz.seeds import SUFFIXES, choose

Generator: TypeAlias = random.Random
Mutator: TypeAlias = Callable[[bytes, Generator], bytes]

MOST_BYTES = 4_000_000
_WHOLE_NUMBERS = (
    *(0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 31, 32, 33, 64, 65, 127, 128, 255, 256, 999, 1000),
    *(32767, 32768, 65535, 65536, 2**24, 2**28, 2**30, 2**31 - 1, 2**31, 2**32 - 1, 2**32),
    *(2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**18, 10**30, 10**69),
)
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
_STRUCTURE = (
    *("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT", "GCOUNT"),
    *("EXTEND", "GROUPS", "BLOCKED", "END", "EXTNAME", "EXTVER", "EXTLEVEL", "CHECKSUM"),
    *("DATASUM", "BSCALE", "BZERO", "BLANK", "BUNIT", "DATAMIN", "INHERIT"),
)
_TABLE = (
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


@dataclass(frozen=True)
class Mutant:
    """A damaged file, under the name that it is uploaded as."""

    number: int
    suffix: str
    data: bytes
    made: str
    """Of which seed, by what."""


def mutant(number: int) -> Mutant:
    """The damaged file of this number."""
    generator = random.Random(f"panoptes {number}")
    seed = choose(generator)
    made = Mutant(number, seed.suffix, seed.data, seed.name)
    for _ in range(generator.choices((1, 2, 3, 6), (50, 25, 15, 10))[0]):
        mutators = _BY_TYPE[seed.suffix] if generator.random() < 0.8 else _ANY
        mutator = generator.choice(mutators)
        data = mutator(made.data, generator)[:MOST_BYTES]
        made = replace(made, data=data, made=f"{made.made}, {mutator.__name__.strip('_')}")
    if seed.suffix.startswith("fits") and generator.random() < 0.7:
        sealed = generator.random() < 0.5
        data = sealed_again(made.data) if sealed else _unsealed(made.data)
        made = replace(made, data=data, made=f"{made.made}, {'sealed' if sealed else 'unsealed'}")
    if generator.random() < 0.04:
        made = replace(made, suffix=generator.choice(SUFFIXES))
    return made


def _span(size: int, generator: Generator) -> tuple[int, int]:
    """A place and an end in `size` bytes; short spans are likelier."""
    start = generator.randrange(size) if size else 0
    return start, min(size, start + int(2 ** generator.uniform(0, 12)))


# Any file.


def _flip_bits(data: bytes, generator: Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 2, 8, 64)) if changed else 0):
        changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def _set_bytes(data: bytes, generator: Generator) -> bytes:
    start, end = _span(len(data), generator)
    filling = generator.choice((b"\0", b"\xff", b" ", b"\t", b"\x7f", generator.randbytes(1)))
    return data[:start] + filling * (end - start) + data[end:]


def _randomise(data: bytes, generator: Generator) -> bytes:
    start, end = _span(len(data), generator)
    return data[:start] + generator.randbytes(end - start) + data[end:]


def _truncate(data: bytes, generator: Generator) -> bytes:
    return data[: generator.randrange(len(data) + 1)]


def _cut(data: bytes, generator: Generator) -> bytes:
    start, end = _span(len(data), generator)
    return data[:start] + data[end:]


def _insert(data: bytes, generator: Generator) -> bytes:
    start, end = _span(len(data), generator)
    return data[:start] + generator.randbytes(end - start) + data[start:]


def _repeat(data: bytes, generator: Generator) -> bytes:
    start, end = _span(len(data), generator)
    return data[:end] + data[start:end] * generator.choice((1, 2, 30)) + data[end:]


def _append(data: bytes, generator: Generator) -> bytes:
    more = generator.choice((b"\0", b" ", generator.randbytes(9), data[:BLOCK], b"XTENSION"))
    return data + more * generator.choice((1, 7, 2880))


def _splice(data: bytes, generator: Generator) -> bytes:
    other = choose(generator).data
    start, end = generator.randrange(len(data) + 1), generator.randrange(len(other) + 1)
    return data[:start] + other[end:]


def _number_here(data: bytes, generator: Generator) -> bytes:
    """A number of two, four or eight bytes, in either order, at any place."""
    return _with_number(data, generator.randrange(len(data) + 1), generator)


def _with_number(data: bytes, place: int, generator: Generator, order: str = "") -> bytes:
    number = generator.choice(_WHOLE_NUMBERS) * generator.choice((1, 1, 1, -1))
    code, size = generator.choice((("H", 2), ("I", 4), ("Q", 8)))
    packed = struct.pack((order or generator.choice("<>")) + code, number & ((1 << 8 * size) - 1))
    return data[:place] + packed + data[place + size :]


_ANY: tuple[Mutator, ...] = (
    *(_flip_bits, _set_bytes, _randomise, _truncate, _cut, _insert, _repeat, _append, _splice),
    _number_here,
)


# FITS headers.

_END = re.compile(rb"END {5}")


def _headers(data: bytes) -> list[tuple[int, int]]:
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
    headers = _headers(data)
    if not headers:
        return _flip_bits(data, generator)
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
        return f"{sign}{generator.choice(_WHOLE_NUMBERS)}"
    return generator.choice(_VALUES)


def _card(keyword: str, value: str, generator: Generator) -> bytes:
    form = generator.choice(("{:8}= {:>20}", "{:8}= {:20}", "{:8}= {}", "{:8}={}"))
    comment = generator.choice(("", "", " / comment", "/", " / '&'"))
    return (form.format(keyword, value) + comment).encode("latin-1").ljust(CARD)[:CARD]


def _place_of(cards: list[bytes], keyword: str, generator: Generator) -> int:
    places = [i for i, card in enumerate(cards) if card[:8].rstrip() == keyword.encode()]
    return generator.choice(places) if places else -1


def _set(names: tuple[str, ...]) -> Mutator:
    def set_card(data: bytes, generator: Generator) -> bytes:
        def edit(cards: list[bytes]) -> None:
            keyword = generator.choice(names)
            card = _card(keyword, _value(generator), generator)
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
            cards[place] = _card(keyword, _value(generator), generator)

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
        keyword = generator.choice(_STRUCTURE + _TABLE)
        name = generator.choice((f"{keyword.lower():8}", f"HIERARCH {keyword} ", f" {keyword:7}"))
        card = f"{name}= {_value(generator)}".encode("latin-1").ljust(CARD)[:CARD]
        cards.insert(generator.randrange(len(cards) + 1), card)

    return _edited(data, generator, edit)


def _other_header(data: bytes, generator: Generator) -> bytes:
    """Cards of another seed, put into this one's."""
    other = choose(generator).data
    found = _headers(other)
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


_HEADER: tuple[Mutator, ...] = (
    *(_set(_STRUCTURE), _set(_STRUCTURE), _set(_KNOWN), _set_any_value, _soil_keyword),
    *(_soil_card, _reorder_cards, _odd_card, _lookalike, _other_header, _blocks),
)


# Tables of tiles.


def _tables(data: bytes) -> list[tuple[int, int, int]]:
    """Begin of the data, width and height of each table whose header can be read."""
    found = []
    for start, end in _headers(data):
        header = data[start:end]
        sizes = [re.search(rb"NAXIS%d  =\s+(\d{1,6})\b" % n, header) for n in (1, 2)]
        if b"ZIMAGE" in header and all(sizes):
            width, height = (int(size[1]) for size in sizes if size)
            found.append((start + padded(end + CARD - start), width, height))
    return found


def _descriptor(data: bytes, generator: Generator) -> bytes:
    tables = _tables(data)
    if not tables:
        return _number_here(data, generator)
    start, width, height = generator.choice(tables)
    place = start + 4 * generator.randrange(max(1, width * height // 4))
    if generator.random() < 0.4:
        old = int.from_bytes(data[place : place + 4], "big")
        near = (old + generator.choice((-8, -1, 1, 2, 8, 100))) & 0xFFFFFFFF
        return data[:place] + near.to_bytes(4, "big") + data[place + 4 :]
    return _with_number(data, place, generator, ">")


def _heap(data: bytes, generator: Generator) -> bytes:
    """Bytes of the coded tiles alone, in their place."""
    tables = _tables(data)
    if not tables:
        return _randomise(data, generator)
    start, width, height = generator.choice(tables)
    heap = start + width * height
    if heap >= len(data):
        return data
    mutator = generator.choice((_flip_bits, _flip_bits, _set_bytes, _randomise, _number_here))
    tail = data[heap:]
    # Damage near a tile's begin is what a decoder reads as sizes.
    near = min(len(tail), generator.choice((16, 200, len(tail))))
    changed = mutator(tail[:near], generator)[:near].ljust(near, b"\0")
    return data[:heap] + changed + tail[near:]


def _one_tile(data: bytes, generator: Generator) -> bytes:
    """A larger image in one tile: the stream's own sizes as the header's."""
    side = generator.choice((1, 4, 100, 5000))
    wanted = {"ZNAXIS1": side, "ZNAXIS2": side, "ZTILE1": side, "ZTILE2": side, "NAXIS2": 1}
    for keyword, value in wanted.items():
        place = data.find(f"{keyword:8}=".encode())
        if place >= 0:
            card = _card(keyword, str(value), generator)
            data = data[:place] + card + data[place + CARD :]
    tile = data.find(b"\xdd\x99")
    if tile >= 0:
        data = data[: tile + 2] + struct.pack(">ii", side, side) + data[tile + 10 :]
    return data


_TILES: tuple[Mutator, ...] = (
    *(_set(_TABLE), _set(_TABLE), _set(_TABLE), _descriptor, _heap, _heap, _one_tile),
    *_HEADER,
)


def _summed(data: bytes) -> Iterator[tuple[int, int]]:
    return (
        (s, e) for s, e in _headers(data) if b"CHECKSUM" in data[s:e] or b"DATASUM" in data[s:e]
    )


def _unsealed(data: bytes) -> bytes:
    """Without checksums, so that damage is found by what follows them."""
    for start, end in _summed(data):
        cards = [data[i : i + CARD] for i in range(start, end, CARD)]
        kept = [b"COMMENT".ljust(CARD) if c[:8] in (b"CHECKSUM", b"DATASUM ") else c for c in cards]
        data = data[:start] + b"".join(kept) + data[end:]
    return data


def sealed_again(data: bytes) -> bytes:
    """With checksums that hold, as the damage of a writer would have them."""
    try:
        hdus = walk_hdus(data)
    except BadInput:
        return data
    parts = []
    for hdu in hdus:
        cards = [c.ljust(CARD) for c in hdu.header.raw_cards()]
        behind = data[hdu.data_offset : hdu.end]
        if any(c[:8] in (b"CHECKSUM", b"DATASUM ") for c in cards):
            kept = [c for c in cards if c[:8] not in (b"CHECKSUM", b"DATASUM ")]
            parts.append(sealed_header(kept, checksum(behind)))
        else:
            parts.append(data[hdu.offset : hdu.data_offset])
        parts.append(behind)
    return b"".join(parts) + data[hdus[-1].end :]


# TIFF and JPEG.

_POINTERS = frozenset({0x8769, 0x927C, 0x8825, 0x014A})


def _entries(data: bytes) -> list[int]:
    """Places of the entries of all directories, those of a maker note included."""
    found: list[int] = []
    seen: set[int] = set()
    waiting = [int.from_bytes(data[4:8], "little"), int.from_bytes(data[12:16], "little")]
    while waiting and len(seen) < 30:
        place = waiting.pop()
        if not 8 <= place < len(data) - 6 or place in seen:
            continue
        seen.add(place)
        count = int.from_bytes(data[place : place + 2], "little")
        if count > 500:
            continue
        entries = [place + 2 + 12 * n for n in range(count)]
        found += [e for e in entries if e + 12 <= len(data)]
        for entry in entries:
            if int.from_bytes(data[entry : entry + 2], "little") in _POINTERS:
                waiting.append(int.from_bytes(data[entry + 8 : entry + 12], "little"))
        behind = place + 2 + 12 * count
        waiting.append(int.from_bytes(data[behind : behind + 4], "little"))
    return found


_TAGS = (
    *(0x100, 0x101, 0x102, 0x103, 0x106, 0x10F, 0x110, 0x111, 0x112, 0x115, 0x116, 0x117, 0x11C),
    *(0x132, 0x14A, 0x201, 0x202, 0x828D, 0x828E, 0x8769, 0x8825, 0x927C, 0x9003, 0xC612),
    *(0xC640, 0xC6C5, 0xC61A, 0xC61D, 0x4001, 0xE0, 0x10, 0x04, 0x0C, 0x96, 0xAA, 0x83),
)


def _entry(data: bytes, generator: Generator) -> bytes:
    entries = _entries(data)
    if not entries:
        return _number_here(data, generator)
    place = generator.choice(entries)
    raw = bytearray(data[place : place + 12])
    number = generator.choice((*_WHOLE_NUMBERS, place, len(data), len(data) - 1)) & 0xFFFFFFFF
    match generator.randrange(6):
        case 0:
            raw[:2] = generator.choice(_TAGS).to_bytes(2, "little")
        case 1:
            raw[2:4] = generator.choice((*range(15), 65535)).to_bytes(2, "little")
        case 2:
            raw[4:8] = number.to_bytes(4, "little")
        case 3 | 4:
            raw[8:12] = number.to_bytes(4, "little")
        case 5:
            other = generator.choice(entries)
            raw = bytearray(data[other : other + 12])
    return data[:place] + bytes(raw) + data[place + 12 :]


def _directory_link(data: bytes, generator: Generator) -> bytes:
    """A directory follows that was there already, or lies anywhere."""
    entries = _entries(data)
    if not entries:
        return data
    target = generator.choice((*(e - 2 for e in entries), 8, 0, len(data) - 4, 2**32 - 1))
    place = generator.choice((4, 12, *(e + 12 for e in entries)))
    return data[:place] + target.to_bytes(4, "little") + data[place + 4 :]


def _entry_values(data: bytes, generator: Generator) -> bytes:
    """The values that an entry points at: sizes, slices, levels, serial numbers."""
    entries = _entries(data)
    if not entries:
        return data
    entry = generator.choice(entries)
    place = int.from_bytes(data[entry + 8 : entry + 12], "little")
    count = int.from_bytes(data[entry + 4 : entry + 8], "little")
    if not 0 < place < len(data) - 8:
        return data
    place = min(place + 2 * generator.randrange(max(1, min(count, 2000))), len(data) - 8)
    return _with_number(data, place, generator, "<")


def _segments(data: bytes) -> list[int]:
    """Where the marker segments of every JPEG stream in the file begin."""
    found = []
    for start in [m.start() for m in re.finditer(rb"\xff\xd8\xff", data)][:8]:
        place = start + 2
        while place + 4 <= len(data) and data[place] == 0xFF and 0xC0 <= data[place + 1] < 0xFF:
            found.append(place)
            if data[place + 1] == 0xDA:
                break
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return found


_MARKERS = (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE1, 0xFE)


def _segment(data: bytes, generator: Generator) -> bytes:
    segments = _segments(data)
    if not segments:
        return _flip_bits(data, generator)
    place = generator.choice(segments)
    length = int.from_bytes(data[place + 2 : place + 4], "big")
    match generator.randrange(6):
        case 0:
            return data[: place + 1] + bytes([generator.choice(_MARKERS)]) + data[place + 2 :]
        case 1:
            near = generator.choice((0, 1, 2, length - 1, length + 1, 0xFFFF)) & 0xFFFF
            return data[: place + 2] + near.to_bytes(2, "big") + data[place + 4 :]
        case 2:
            return data[:place] + data[place + 2 + length :]
        case 3:
            return data[:place] + data[place : place + 2 + length] + data[place:]
        case _:
            where = place + 4 + generator.randrange(max(1, min(length, 60)))
            value = generator.choice((0, 1, 2, 4, 0x11, 0x7F, 0x80, 0xFF, generator.randrange(256)))
            return data[:where] + bytes([value]) + data[where + 1 :]


def _scan(data: bytes, generator: Generator) -> bytes:
    """Bits of the coded samples behind the last header, or markers among them."""
    segments = _segments(data)
    start = segments[-1] + 14 if segments else 0
    if start >= len(data):
        return data
    place = generator.randrange(start, len(data))
    insert = generator.choice((b"", b"\xff", b"\xff\xd9", b"\xff\xd0", b"\xff\xda", b"\xff\0"))
    if insert:
        return data[:place] + insert + data[place + generator.choice((0, len(insert))) :]
    return data[:start] + _flip_bits(data[start:], generator)


_RAW: tuple[Mutator, ...] = (
    *(_entry, _entry, _entry, _directory_link, _entry_values, _entry_values, _segment, _scan),
)
_PICTURE: tuple[Mutator, ...] = (_segment, _segment, _scan)


# MP4.


def _box(data: bytes, generator: Generator) -> bytes:
    """A box of the top level gets another size or kind, or comes again."""
    boxes: list[int] = []
    place = 0
    while place + 8 <= len(data) and len(boxes) < 100:
        boxes.append(place)
        place += max(8, int.from_bytes(data[place : place + 4], "big"))
    if not boxes:
        return data
    place = generator.choice(boxes)
    match generator.randrange(4):
        case 0:
            number = generator.choice((*_WHOLE_NUMBERS, len(data))) & 0xFFFFFFFF
            return data[:place] + number.to_bytes(4, "big") + data[place + 4 :]
        case 1:
            kind = generator.choice((b"moov", b"moof", b"free", b"ftyp", b"\0\0\0\0", b"\xff  x"))
            return data[: place + 4] + kind + data[place + 8 :]
        case 2:
            large = generator.choice(_WHOLE_NUMBERS) & (2**64 - 1)
            head = b"\0\0\0\1" + data[place + 4 : place + 8] + large.to_bytes(8, "big")
            return data[:place] + head + data[place + 8 :]
        case _:
            return data[:place] + b"\0\0\0\x08free" * generator.choice((1, 5000)) + data[place:]


_BY_TYPE: dict[str, tuple[Mutator, ...]] = {
    "fits": _HEADER,
    "fits.fz": _TILES,
    "cr2": _RAW,
    "jpg": _PICTURE,
    "mp4": (_box,),
}
