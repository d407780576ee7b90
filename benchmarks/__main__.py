"""``python -m benchmarks [--quick] [--only PART ...]``: measure and write the results.

The results of a part are written when it has been measured; those of others stay as they are.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = (
    "codec",
    "colour",
    "headers",
    "pictures",
    "ingest",
    "cores",
    "growth",
    "starts",
    "searches",
    "nights",
    "live",
)


def main() -> int:
    arguments = _arguments()
    # As `make` does for runs: byte code is kept, and no other project's Prefect is asked.
    for name in [n for n in os.environ if n.startswith(("PREFECT_", "PANOPTES_"))]:
        del os.environ[name]

    from benchmarks import codec
    from benchmarks.report import Report
    from deployments.work_pools.deploy import KEEP_MEMORY

    if os.environ.get("GLIBC_TUNABLES") != KEEP_MEMORY:
        # Ours and others alike have the memory settings of a worker's runs.
        os.environ["GLIBC_TUNABLES"] = KEEP_MEMORY
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]])
    if missing := codec.missing_peers():
        print(f"{' and '.join(missing)} must be installed (Debian: libcfitsio-bin).")
        return 2
    into = Path(tempfile.mkdtemp(prefix="panoptes-bench-quick-")) if arguments.quick else HERE
    report = Report(
        "A quick run: 12 frames where the table says 60, one round."
        if arguments.quick
        else "Codecs: medians of nine rounds. Runs of 60 frames: of three, of 3 frames: of five.",
        into,
    )
    with tempfile.TemporaryDirectory(prefix="panoptes-bench-") as scratch:
        measure(report, Path(scratch), set(arguments.only), quick=arguments.quick)
    report.write()
    print(f"written: {into / 'RESULTS.md'}")
    for key in report.missed:
        print(f"missed, or not measured: {key}")
    return 0


def measure(report: object, scratch: Path, parts: set[str], *, quick: bool) -> None:
    """Every part that is wanted, into `report`."""
    from benchmarks import codec, colour, frames, headers, pictures
    from benchmarks.report import Report

    assert isinstance(report, Report)
    pair = frames.make_frames(scratch)
    repeats = 5 if quick else 9
    if "codec" in parts:
        with report.part("codec"):
            codec.run(report, pair, scratch, repeats)
    if "colour" in parts:
        with report.part("colour"):
            colour.run(report, pair, scratch, repeats)
    if "headers" in parts:
        with report.part("headers"):
            headers.run(report, frames.solved_header_frame(scratch), repeats)
    if "pictures" in parts:
        with report.part("pictures"):
            pictures.run(report, pair[0], scratch, repeats)
    if parts & {"ingest", "cores", "growth"}:
        from benchmarks import whole

        whole.run(report, pair, scratch, parts, quick=quick)
    if "starts" in parts:
        from benchmarks import starts

        with report.part("starts"):
            starts.run(report, scratch, quick=quick)
    if "searches" in parts:
        from benchmarks import searches

        with report.part("searches"):
            searches.run(report, frames.small_frame(scratch), scratch, quick=quick)
    if "nights" in parts:
        from benchmarks import nights

        with report.part("nights"):
            nights.run(report, frames.small_frame(scratch), scratch, quick=quick)
    if "live" in parts:
        from benchmarks import live

        with report.part("live"):
            live.run(report, pair, scratch, quick=quick)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and frames")
    parser.add_argument(
        "--only", nargs="*", choices=PARTS, default=list(PARTS), help="none: the page anew"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
