"""``python -m benchmarks.plain DATA SEQUENCE_ID``: an ingest by plain calls; prints its seconds."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from panoptes.network.ingest.observation import ingest_observation
from panoptes.network.ingest.outcome import Became
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site


def main() -> None:
    site = Site.in_folder(Path(sys.argv[1]), rest_seconds=0)
    site.check()
    began = time.perf_counter()
    results = ingest_observation(site, parse_sequence_id(sys.argv[2]))[0]
    took = time.perf_counter() - began
    # Links to one file change with each other, and may be met a second time.
    if not {result.became for result in results} <= {Became.CATALOGUED, Became.ALREADY}:
        sys.exit(f"not everything was catalogued: {results}")
    print(took)


if __name__ == "__main__":
    main()
