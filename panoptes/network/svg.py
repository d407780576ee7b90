"""Figures of matplotlib as SVG that is put into a page as it is.

matplotlib writes a file of its own: with a document type, style sheets and ids that two figures
of one page would share. A content security policy without inline styles would show such a
figure black on black.
"""

from __future__ import annotations

import io
import math
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from panoptes.network.safe_text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#010203"
"""Becomes the colour of the text around it, so that a page may be light or dark."""
WIDTH = 720.0
"""Points, which are the units of the view box."""

_COLUMNS = int(WIDTH) // 2
"""Of a plot, that can be told apart."""
_ABOVE, _BELOW = 8.0, 44.0

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_SETTINGS: Any = {
    "svg.fonttype": "none",  # text is text: it is small, selected, and read aloud
    "text.parse_math": False,  # names of cameras may hold a dollar
    "font.size": 12.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK
    ),
}
_drawing = threading.Lock()
"""matplotlib's settings are the process's."""


def thinned(across: Sequence[float], up: Sequence[float]) -> tuple[list[float], list[float]]:
    """A curve, in the order of `across`, with no more points than can be told apart: of each
    column of the plot the first, the least, the most and the last, and where it is broken (nan).
    """
    known = [each for each in across if not math.isnan(each)]
    if len(across) <= _COLUMNS or known[0] == known[-1]:
        return list(across), list(up)
    scale = (_COLUMNS - 1) / (max(known) - min(known))
    columns: dict[int, list[int]] = defaultdict(list)
    column = 0
    for at, each in enumerate(across):
        if not math.isnan(each):
            column = int((each - min(known[0], each)) * scale)
        columns[column].append(at)
    kept: set[int] = set()
    for places in columns.values():
        drawn = [at for at in places if not math.isnan(up[at])]
        kept.update(next(([at] for at in places if math.isnan(up[at])), []))
        if drawn:
            kept |= {drawn[0], min(drawn, key=up.__getitem__), max(drawn, key=up.__getitem__)}
            kept.add(drawn[-1])
    chosen = sorted(kept)
    return [across[at] for at in chosen], [up[at] for at in chosen]


@contextmanager
def figure(height: float, *, left: float = 12.0, right: float = 12.0) -> Iterator[Axes]:
    """Axes on a figure of `WIDTH` by `height` points, alone with matplotlib until it is left.

    `left` and `right` are the room beside the axes, in points; below them is that of two lines.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with _drawing, mpl.rc_context(_SETTINGS):
        drawn = Figure(figsize=(WIDTH / 72, height / 72))
        FigureCanvasSVG(drawn)
        wide, high = WIDTH - left - right, height - _ABOVE - _BELOW
        yield drawn.add_axes((left / WIDTH, _BELOW / height, wide / WIDTH, high / height))


def svg(axes: Axes, key: str, title: str, description: str) -> str:
    """The axes' figure as one ``<svg>``; call it within `figure`.

    `key` is of letters, digits, dashes and underscores, and of no other figure of a page: its
    ids begin with it.
    """
    buffer = io.BytesIO()
    unwritten = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    drawn = axes.get_figure(root=True)
    assert drawn is not None
    drawn.savefig(buffer, format="svg", transparent=True, metadata=unwritten)
    root = ElementTree.fromstring(buffer.getvalue())
    _strip(root)
    _plain(root, key)
    named = {"title": title, "desc": description}
    for place, (name, text) in enumerate(named.items()):
        element = ElementTree.Element(f"{{{_SVG}}}{name}", {"id": f"{key}-{name}"})
        element.text = one_line(text)
        root.insert(place, element)
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{key}-title {key}-desc",
        "font-family": "system-ui, sans-serif",
        "stroke-linejoin": "round",
    }
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINK[1:].partition("}")[0])
    return ElementTree.tostring(root, encoding="unicode")


def _strip(root: ElementTree.Element) -> None:
    """Take out style sheets, and what is said of the file itself."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("style", "metadata"):
                parent.remove(child)


def _plain(root: ElementTree.Element, key: str) -> None:
    """Styles as attributes, the page's ink for ours, and only ids that something refers to."""
    used = {each.get(_LINK, "")[1:] for each in root.iter()}
    used |= {each.get("clip-path", "")[5:-1] for each in root.iter()}
    for element in root.iter():
        for declaration in element.attrib.pop("style", "").split(";"):
            name, _, value = (part.strip() for part in declaration.partition(":"))
            if name and name != "font-family":
                element.set(name, "currentColor" if value == INK else value)
        if "d" in element.attrib:
            element.set("d", " ".join(element.attrib["d"].split()))
        own = element.attrib.pop("id", "")
        if own in used and own:
            element.set("id", f"{key}-{own}")
        if _LINK in element.attrib:
            element.set(_LINK, f"#{key}-{element.attrib[_LINK][1:]}")
        if "clip-path" in element.attrib:
            element.set("clip-path", f"url(#{key}-{element.attrib['clip-path'][5:-1]})")
        element.text = (element.text or "").strip("\n ") or None
        element.tail = None


def as_file(drawn: str) -> bytes:
    """What `svg` gave as a file of its own: black on white, and of a size."""
    root = ElementTree.fromstring(drawn)
    _, _, width, height = root.get("viewBox", f"0 0 {WIDTH:g} {WIDTH:g}").split()
    root.attrib |= {"color": "#111111", "width": width, "height": height}
    root.insert(
        2,
        ElementTree.Element(
            f"{{{_SVG}}}rect", {"width": "100%", "height": "100%", "fill": "#ffffff"}
        ),
    )
    return ElementTree.tostring(root)


def in_words(drawn: str) -> str:
    """Title and description of what `svg` gave, for who cannot see it."""
    root = ElementTree.fromstring(drawn)
    found = (root.findtext(f"{{{_SVG}}}{name}") for name in ("title", "desc"))
    return ". ".join(filter(None, found))
