"""Parts of what runs leave in the Prefect UI: links to the network's pages, tables, pictures."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from panoptes.network.safe_text import markdown
from panoptes.network.site import Site
from panoptes.network.svg import as_file, in_words


def linked(site: Site, kind: str, key: object, text: str) -> str:
    """Text that leads to ``KIND/KEY`` of the network's pages, where their address is known."""
    address = site.settings.site_url
    if address is None or not isinstance(key, str):
        return markdown(text)
    return f"[{markdown(text)}]({address.rstrip('/')}/{kind}/{quote(key, safe='')})"


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table under its title; cells are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(plot: str) -> str:
    """A figure of `panoptes.network.svg`, in the text itself, and told in words."""
    encoded = base64.b64encode(as_file(plot)).decode("ascii")
    return f"![{markdown(in_words(plot))}](data:image/svg+xml;base64,{encoded})"
