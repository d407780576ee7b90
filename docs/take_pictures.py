"""Takes the pictures of the tour anew: `python docs/take_pictures.py`, with Chromium and a demo.

Terminals become SVG, pages WebP; each has less than 60 KB.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from deployments.command_line.demo import NIGHT

PICTURES = Path(__file__).resolve().parent / "pictures"
COMMAND = Path(sys.executable).with_name("panoptes-network")
MOST_BYTES = 60_000
WITHOUT_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
"""Rich's own template loads its fonts from another host."""


def main() -> int:
    """A demo, its end as a terminal shows it, and the site over what it left."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "demo-data"
        shown = run("demo", "--data", str(data)).replace(folder, "~")
        star = NIGHT.dipping()
        terminal("demo", "make demo", ["...", *shown.splitlines()[-40:]])
        terminal("quarantine", "panoptes-network quarantine list", in_colour("quarantine", data))
        newest = json.loads(run("search", "--data", str(data), "--json"))["observations"][-1]
        name = newest["sequence_id"]
        with served(data) as url:
            images = json.loads(ask(f"{url}/observations/{name}/images"))
            image = (images["images"] if isinstance(images, dict) else images)[0]["image_id"]
            page("tonight", f"{url}/", 1000, 620)
            page("observation", f"{url}/observations/{name}", 1000, 900)
            page("image", f"{url}/images/{image}", 1000, 900)
            page("stars", f"{url}/observations/{name}/light-curves", 1000, 740)
            page("star", f"{url}/observations/{name}/light-curves/{star}", 1000, 900)
            page("transits", f"{url}/observations/{name}/transits", 1000, 800)
            page("sky", f"{url}/sky", 1000, 740)
    return 0


def run(*arguments: str, **environment: str) -> str:
    """What a command of ours tells, 80 columns wide."""
    done = subprocess.run(
        [COMMAND, *arguments],
        env=os.environ | {"COLUMNS": "80"} | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def in_colour(command: str, data: Path) -> list[str]:
    """What a list tells a terminal."""
    return run(command, "list", "--data", str(data), FORCE_COLOR="1").splitlines()


def terminal(name: str, typed: str, lines: list[str]) -> None:
    """A terminal with these lines, as SVG."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=80, file=nowhere)
        console.print(f"$ {typed}", style="bold", highlight=False)
        console.print(Text.from_ansi("\n".join(lines)))
        svg = console.export_svg(title=typed, code_format=WITHOUT_FONTS.sub("", CONSOLE_SVG_FORMAT))
    (PICTURES / f"{name}.svg").write_text(svg)


@contextmanager
def served(data: Path) -> Iterator[str]:
    """The address of the site over a folder, while it is served."""
    words = [
        str(COMMAND),
        "serve",
        "--data",
        str(data),
        "--port",
        "0",
        "--files",
        "archive",
        "--json",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        try:
            yield json.loads(serving.stdout.readline())["url"]
        finally:
            serving.terminate()


def ask(url: str) -> str:
    """What programs are answered."""
    import httpx

    return httpx.get(url).text


def page(name: str, url: str, width: int, height: int) -> None:
    """The first screen of a page, as Chromium shows it."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is needed to take pictures of pages")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        subprocess.run(
            [chromium, *flags, f"--window-size={width},{height}", f"--screenshot={shot}", url],
            check=True,
            capture_output=True,
            timeout=120,
        )
        seen = Image.open(shot).convert("RGB")
    for quality in range(80, 0, -10):
        made = BytesIO()
        seen.save(made, "WEBP", quality=quality, method=6)
        if made.tell() < MOST_BYTES:
            break
    (PICTURES / f"{name}.webp").write_bytes(made.getvalue())


if __name__ == "__main__":
    sys.exit(main())
