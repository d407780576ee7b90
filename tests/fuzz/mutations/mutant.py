"""The damaged file of each number: the same number, the same bytes."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tests.fuzz.mutations.any_file import ANY_FILE, Mutator
from tests.fuzz.mutations.checksums import sealed_again, unsealed
from tests.fuzz.mutations.cr2_and_jpeg import PICTURE, RAW
from tests.fuzz.mutations.fits_headers import HEADER
from tests.fuzz.mutations.mp4_boxes import box
from tests.fuzz.mutations.tile_tables import TILE_TABLES
from tests.fuzz.seeds import SUFFIXES, choose

MOST_BYTES = 4_000_000

_BY_TYPE: dict[str, tuple[Mutator, ...]] = {
    "fits": HEADER,
    "fits.fz": TILE_TABLES,
    "cr2": RAW,
    "jpg": PICTURE,
    "mp4": (box,),
}


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
        mutators = _BY_TYPE[seed.suffix] if generator.random() < 0.8 else ANY_FILE
        mutator = generator.choice(mutators)
        data = mutator(made.data, generator)[:MOST_BYTES]
        made = replace(made, data=data, made=f"{made.made}, {mutator.__name__.strip('_')}")
    if seed.suffix.startswith("fits") and generator.random() < 0.7:
        sealed = generator.random() < 0.5
        data = sealed_again(made.data) if sealed else unsealed(made.data)
        made = replace(made, data=data, made=f"{made.made}, {'sealed' if sealed else 'unsealed'}")
    if generator.random() < 0.04:
        made = replace(made, suffix=generator.choice(SUFFIXES))
    return made
