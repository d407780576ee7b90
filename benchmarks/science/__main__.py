"""What the images are worth, in one table: ``make science``.

``python -m benchmarks.science --scatter 1 2 3 --transits 31 32 --solving 17 --seasons 1761
--astrowisp 201`` takes other seeds. It takes some 25 minutes of one processor, and writes a line
as soon as it is known.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from statistics import mean, median
from typing import Any, NamedTuple

from benchmarks.science import astrowisp, pair, scatter, seasons, solving, transits

AT_MOST = {8.5: 1.55, 9.0: 1.30, 9.5: 1.10, 10.0: 1.05, 11.0: 1.10}
"""Scatter over formal noise, by G."""


SOLVED = {
    "full frames with a hint": 100,
    "full frames blind": 99,
    "crops with a hint": 95,
    "crops blind": 95,
}
"""Of a hundred."""


FOUND = {0.02: 0.90, 0.01: 0.65}
"""Of planets in seasons, by depth."""


class Row(NamedTuple):
    what: str
    goal: str
    found: str
    reached: bool


def solved(seed: int) -> Iterator[Row]:
    for name, found in solving.rates(seed).items():
        least = SOLVED[name]
        right, wrong = found["right"], found["wrong"]
        said = f"{right} of 100" + (f", {wrong} wrong" if wrong else "")
        yield Row(f"solved: {name}", f">= {least} of 100", said, right >= least and not wrong)
    false = solving.false_ones(seed)
    for name, count in false.items():
        yield Row(f"solved: {name}", "0 of 300", f"{count} of 300", count == 0)
    for frame in solving.places(seed):
        rms = frame["rms_to_truth"]
        yield Row(f"WCS of {frame['frame']}, rms", '<= 0.5"', f'{rms:.2f}"', rms <= 0.5)
        if frame["frame"].startswith("full"):
            cpu = frame["cpu_detection"] + frame["cpu_solving"]
            yield Row(f"CPU of {frame['frame']}", "<= 0.4 s", f"{cpu:.2f} s", cpu <= 0.4)
    for frame in solving.real_crops():
        off = frame["median"]
        yield Row(f"WCS of {frame['frame']}, median", '<= 3.5"', f'{off:.1f}"', off <= 3.5)


def scattered(seeds: Sequence[int]) -> Iterator[Row]:
    runs: list[dict[str, Any]] = [dict(scatter.run(seed)) for seed in seeds]
    for g, most in AT_MOST.items():
        ratios = [run["magnitudes"][g]["ratio"] for run in runs]
        said = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        yield Row(f"scatter over noise at G {g:g}", f"<= {most:.2f}", said, median(ratios) <= most)
    errors = [run["magnitudes"][g]["error"] for run in runs for g in AT_MOST]
    said = f"{min(errors):.2f} to {max(errors):.2f}"
    fits = min(errors) >= 0.8 and max(errors) <= 1.25
    yield Row("reported error over scatter", "0.8 to 1.25", said, fits)
    cpu = max(run["cpu"] for run in runs)
    yield Row("CPU of photometry, a frame", "<= 0.7 s", f"{cpu:.2f} s", cpu <= 0.7)


def kept(seeds: Sequence[int]) -> Iterator[Row]:
    runs: list[dict[str, Any]] = [dict(transits.run(seed)) for seed in seeds]
    for column in ("mag_protected", "mag"):
        shares = [share for run in runs for share in run[column]["kept"]]
        said = f"{mean(shares):.2f} of {len(shares)} transits"
        yield Row(f"depth kept in {column}", ">= 0.95", said, mean(shares) >= 0.95)
        false = sum(run[column]["false"] for run in runs)
        of = sum(run[column]["of"] for run in runs)
        yield Row(f"false in {column}", "<= 1 %", f"{100 * false / of:.2f} %", false <= 0.01 * of)


def seasoned(seeds: Sequence[int]) -> Iterator[Row]:
    runs = [seasons.run(seed) for seed in seeds]
    for depth, least in FOUND.items():
        counts = [run.by_depth[depth] for run in runs]
        for what, found, of in (
            ("two transits seen", "found_possible", "possible"),
            ("all", "found", "planets"),
        ):
            share = sum(each[found] for each in counts) / sum(each[of] for each in counts)
            said = f"{share:.0%} of {sum(each[of] for each in counts)}"
            goal = f">= {least:.0%}" if of == "possible" else ""
            name = f"planets found, {depth:.0%} deep, {what}"
            yield Row(name, goal, said, share >= least or not goal)
    false, constant = sum(run.false for run in runs), sum(run.constant for run in runs)
    said = f"{false} of {constant}"
    yield Row("constant stars with a candidate", "<= 1 of 1,000", said, false <= constant / 1000)
    cpu = max(run.cpu for run in runs)
    yield Row("CPU of a star's season", "", f"{cpu:.2f} s", reached=True)


def beside_astrowisp(seeds: Sequence[int]) -> Iterator[Row]:
    runs = [astrowisp.run(seed) for seed in seeds]
    for g in (8.0, 8.5, 9.0, 9.5, 10.0) if runs else ():
        ratios = [run["magnitudes"][g]["ratio"] for run in runs]
        said = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        yield Row(f"scatter over AstroWISP's best, G {g:g}", "<= 0.80", said, median(ratios) <= 0.8)


def paired() -> Iterator[Row]:
    """The real pair, which has no goals; no row where its files are not at hand."""
    found = pair.run()
    for g, each in found.get("magnitudes", {}).items():
        said = f"{each['all']} mmag, {each['ratio']} of noise"
        yield Row(f"real pair, G {g}, {each['stars']} stars", "", said, reached=True)
    if found:
        said = f"{found['share of a dip kept']:.2f}"
        yield Row("real pair, share of a dip kept", "", said, reached=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scatter", type=int, nargs="*", default=scatter.SEEDS)
    parser.add_argument("--transits", type=int, nargs="*", default=transits.SEEDS)
    parser.add_argument("--seasons", type=int, nargs="*", default=seasons.SEEDS)
    parser.add_argument("--astrowisp", type=int, nargs="*", default=astrowisp.SEEDS)
    parser.add_argument("--solving", type=int, default=solving.SEED)
    chosen = parser.parse_args()
    missed = 0
    every = (
        solved(chosen.solving),
        scattered(chosen.scatter),
        kept(chosen.transits),
        seasoned(chosen.seasons),
        beside_astrowisp(chosen.astrowisp),
        paired(),
    )
    for rows in every:
        for row in rows:
            missed += not row.reached
            mark = "" if row.reached else "missed"
            sys.stdout.write(f"{row.what:42} {row.goal:16} {row.found:28} {mark}\n")
            sys.stdout.flush()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
