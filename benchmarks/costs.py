"""What a night costs, from the prices of a provider: ``python -m benchmarks.costs --units 50 500``.

What is used a night is worked out from figures that were measured here; each price is given, from
the provider's list on the day, in the currency of that list. Without prices only the amounts are
printed. Not in it: network out, and what does not grow with the units (the database of Prefect's
server, an address).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Night:
    """One unit's; each may be given as an option."""

    cameras: float = 2
    frames: float = 240
    """Of a camera: eight hours at one in two minutes; each a FITS file and a camera raw."""
    run_frames: float = 2.5
    """Frames that one run takes: a window of five minutes."""
    megabytes: float = 54.0
    """Archived, of a frame; without a camera raw 19."""
    frame_seconds: float = 1.2
    """Processor, of a frame: decode, compress, verify, measure, record."""
    run_seconds: float = 0.5
    """Processor, of a run's start where workers are warm."""
    server_seconds: float = 0.3
    """Processor, of Prefect's server a run."""
    frame_reads: float = 18
    frame_writes: float = 6
    """Of documents, a frame."""
    run_reads: float = 22
    run_writes: float = 10
    frame_puts: float = 6
    frame_gets: float = 14
    """Requests to the buckets, a frame."""
    run_lists: float = 12


AMOUNTS = {
    "vcpu-hours": "processor, hours",
    "stored-gb": "new in the archive, GB",
    "writes-100k": "documents written, 100,000",
    "reads-100k": "documents read, 100,000",
    "puts-10k": "objects written and lists, 10,000",
    "gets-10k": "objects read, 10,000",
    "messages-gb": "messages of the bucket, GB",
}
"""What is paid for, each with a price an hour, a GB (of the archive: a GB and month) and so on."""


def amounts(units: float, night: Night) -> dict[str, float]:
    """Of one night of so many units."""
    frames = units * night.cameras * night.frames
    runs = frames / night.run_frames
    seconds = frames * night.frame_seconds + runs * (night.run_seconds + night.server_seconds)
    return {
        "vcpu-hours": seconds / 3600,
        "stored-gb": frames * night.megabytes / 1000,
        "writes-100k": (frames * night.frame_writes + runs * night.run_writes) / 1e5,
        "reads-100k": (frames * night.frame_reads + runs * night.run_reads) / 1e5,
        "puts-10k": (frames * night.frame_puts + runs * night.run_lists) / 1e4,
        "gets-10k": frames * night.frame_gets / 1e4,
        "messages-gb": frames * 4e-6,  # of two files, at least a thousand bytes each, in and out
    }


def table(units: list[int], night: Night, prices: dict[str, float]) -> str:
    """Markdown: a row for each amount, and their cost where every price is given."""
    columns = {each: amounts(each, night) for each in units}
    head = ["a night of units", *(f"{each:,}" for each in units)]
    rows = [
        [about, *(f"{columns[each][name]:,.2f}" for each in units)]
        for name, about in AMOUNTS.items()
    ]
    if prices.keys() == AMOUNTS.keys():
        costs = [sum(columns[each][name] * prices[name] for name in AMOUNTS) for each in units]
        rows.append(["cost, the archive's first month in it", *(f"{cost:,.2f}" for cost in costs)])
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs", description=__doc__)
    parser.add_argument("--units", type=int, nargs="+", default=[50, 500, 1000, 10_000])
    for each in fields(Night):
        option = each.name.replace("_", "-")
        parser.add_argument(f"--{option}", type=float, default=each.default)
    for name, about in AMOUNTS.items():
        parser.add_argument(f"--price-{name}", type=float, metavar="PRICE", help=about)
    given = vars(parser.parse_args())
    night = Night(**{each.name: given[each.name] for each in fields(Night)})
    prices = {name: given[f"price_{name.replace('-', '_')}"] for name in AMOUNTS}
    print(table(given["units"], night, {n: p for n, p in prices.items() if p is not None}))


if __name__ == "__main__":
    main()
