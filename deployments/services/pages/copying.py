"""A copy of the pages in a folder, to be looked at without a server."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    import httpx
    from starlette.types import ASGIApp

MOST = 1000
"""Pages and pictures."""
_HOST = "http://127.0.0.1"
_COPIED = ("text/html", "text/css", "text/javascript", "image/", "video/")
# Of our own templates: every value is quoted and escaped.
_LINK = re.compile(r'\s(?P<name>href|src|poster|action)="(?P<address>[^"]*)"')

_ASKS = re.compile(
    r'<section><h2 id="(?:closer|aavso)">.*?</section>|<form\b.*?</form>'
    r'|<span class="live">.*?</span>|<noscript>.*?</noscript>| data-refresh="\d+"',
    re.DOTALL,
)
"""What needs a server: a part of an image, files of a star, forms, and what is renewed."""
_MAIN = re.compile(r"<main\b[^>]*>")


def copy_pages(
    app: ASGIApp,
    folder: Path,
    *,
    start: str = "/",
    most: int = MOST,
    wanted: Callable[[str], bool] = lambda _: True,
) -> Path:
    """Everything that links lead to from `start`, and the file to open first.

    The application must let everyone read. Links to what is not copied (searches, archived
    images, paths that are not `wanted`) are none in the copy.
    """
    found = asyncio.run(_fetched(app, start, most, wanted))
    for path, (kind, content) in found.items():
        target = folder / _file(path, kind)
        target.parent.mkdir(parents=True, exist_ok=True)
        if kind == "text/html":
            here = target.parent.relative_to(folder)
            content = _relinked(content.decode(), found, here).encode()
        target.write_bytes(content)
    return folder / _file(start, "text/html")


async def _fetched(
    app: ASGIApp, start: str, most: int, wanted: Callable[[str], bool]
) -> dict[str, tuple[str, bytes]]:
    import httpx

    found: dict[str, tuple[str, bytes]] = {}
    waiting = [start]
    seen = {start}
    transport = httpx.ASGITransport(app)
    headers = {"Accept": "text/html, */*;q=0.5"}
    async with httpx.AsyncClient(
        transport=transport, base_url=_HOST, headers=headers, timeout=60
    ) as client:
        while waiting and len(found) < most:
            path = waiting.pop(0)
            answer = await client.get(quote(path))
            kind = _kind(answer)
            if answer.status_code != 200 or not kind.startswith(_COPIED):
                continue
            found[path] = kind, answer.content
            if kind == "text/html":
                for each in _paths(answer.text):
                    if each not in seen and wanted(each):
                        seen.add(each)
                        waiting.append(each)
    return found


def _kind(answer: httpx.Response) -> str:
    said: str = answer.headers.get("content-type", "")
    return said.partition(";")[0]


def _paths(page: str) -> Iterator[str]:
    for each in _LINK.finditer(page):
        path = _path(each["address"])
        if path is not None and each["name"] != "action" and not _is_archived(path):
            yield path


def _is_archived(path: str) -> bool:
    return path.startswith("/files/") and not path.startswith(("/files/previews/", "/files/timel"))


def _path(address: str) -> str | None:
    """The path of an address of ours that asks for nothing more."""
    text = unescape(address).partition("#")[0]
    is_own = text.startswith("/") and not text.startswith("//") and "?" not in text
    return unquote(text) if is_own else None


def _file(path: str, kind: str) -> Path:
    plain = Path(path.strip("/"))
    if kind == "text/html":
        return plain / "index.html"
    return plain if plain.suffix else plain.with_suffix(mimetypes.guess_extension(kind) or "")


def _relinked(page: str, found: dict[str, tuple[str, bytes]], here: Path) -> str:
    lost = 0
    main = page.index("<main")

    def changed(link: re.Match[str]) -> str:
        nonlocal lost
        if not unescape(link["address"]).startswith("/"):
            return link[0]
        path = _path(link["address"])
        if path not in found:
            lost += link["name"] == "href" and link.start() > main
            return ""
        target = os.path.relpath(_file(path, found[path][0]), here)
        fragment = unescape(link["address"]).partition("#")[2]
        address = quote(target) + (f"#{fragment}" if fragment else "")
        return f' {link["name"]}="{escape(address)}"'

    page = _LINK.sub(changed, _ASKS.sub("", page))
    made = f"A copy of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, of some pages. All of them, "
    made += "the search among them, are shown by panoptes-network serve."
    if lost:
        links = "1 link" if lost == 1 else f"{lost} links"
        made += f" {links} of this page to other pages: plain text here."
    return _MAIN.sub(lambda main: f'{main[0]}<p class="quiet">{made}</p>', page, count=1)
