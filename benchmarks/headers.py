"""The header of a solved frame from a bucket that answers after 30 ms."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Medians, require
from benchmarks.report import Report

if TYPE_CHECKING:
    from panoptes.network.storage.store import ObjectStore

LATENCY = 0.030
"""Seconds."""
_BLOCK = 2880


def run(report: Report, solved: Path, repeats: int) -> None:
    from astropy.io import fits

    from panoptes.network.header import read_header

    with distant_bucket(solved.read_bytes()) as (store, asked):
        ours = read_header(store, solved.name)
        requests = len(asked)
        blocks = block_by_block(store, solved.name)
        own = [card.image for card in fits.Header.fromfile(solved).cards]
        mine = [raw.decode("latin-1").rstrip() for raw in ours.header.raw_cards()]
        require(mine == [image.rstrip() for image in own], "the header's cards differ")
        require(blocks.startswith(ours.header.raw), "the blocks hold another header")
        took = Medians(
            {
                "block by block": partial(block_by_block, store, solved.name),
                "ours": partial(read_header, store, solved.name),
            },
            repeats,
        )
    report.number("header_requests", requests)
    report.number("header_speedup", took.wall("block by block") / took.wall("ours"))
    report.table(
        "The header of a solved frame at 30 ms",
        ("what", "requests", "wall, ms", "CPU, ms"),
        [
            (name, count, f"{1000 * took.wall(name):.0f}", f"{1000 * took.cpu(name):.1f}")
            for name, count in (
                ("block by block", str(len(blocks) // _BLOCK)),
                ("ours", str(requests)),
            )
        ],
    )


def block_by_block(store: ObjectStore, name: str) -> bytes:
    """As the original service read it: 2,880 bytes a request until the END card."""
    read = b""
    while not re.search(rb"END {77}", read):
        block = store.read_range(name, len(read), len(read) + _BLOCK)
        require(block, "the header has no end")
        read += block
    return read


@contextmanager
def distant_bucket(data: bytes) -> Iterator[tuple[ObjectStore, list[str]]]:
    """Our Cloud Storage client at a server of one object, and the ranges it was asked for."""
    from panoptes.network.storage.gcs import GcsStore

    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 17  # an answer in one piece, not held up by Nagle's algorithm

        def do_GET(self) -> None:
            time.sleep(LATENCY)
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
            if wanted is None:  # the library's look at the bucket, once a process and beside
                self.send_error(404)
                return
            asked.append(wanted[0])
            part = data[int(wanted[1]) : int(wanted[2]) + 1]
            self.send_response(206)
            self.send_header("Content-Length", str(len(part)))
            end = int(wanted[1]) + len(part) - 1
            self.send_header("Content-Range", f"bytes {wanted[1]}-{end}/{len(data)}")
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    try:
        yield GcsStore("bucket", endpoint=f"http://127.0.0.1:{server.server_port}"), asked
    finally:
        server.shutdown()
        server.server_close()
