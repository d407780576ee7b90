"""Templates filled in, with what every page has: navigation, policy, who is signed in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from deployments.services.pages.forms import WORD, Form, is_from_own_page
from deployments.services.pages.sessions import Sessions
from deployments.services.pages.sky_place import constellation, degrees, hours, map_of
from deployments.services.pages.static_files import StaticFiles
from deployments.services.settings import ServiceSettings
from panoptes.network.documents import GeoPoint
from panoptes.network.names import is_simulated
from panoptes.network.safe_text import one_line
from panoptes.network.status_words import observation_status

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Nothing of a page comes from elsewhere, and nothing within it runs or is styled inline."""
NAVIGATION = (
    ("/", "Tonight"),
    ("/nights", "Nights"),
    ("/units", "Units"),
    ("/observations", "Search"),
    ("/files", "My file"),
    ("/sky", "Sky"),
    ("/quarantine", "Quarantine"),
    ("/docs", "API"),
)
_NONE = "–"
"""Where there is nothing to show."""
_HEADERS = {
    "Content-Security-Policy": POLICY,
    # With `no-referrer` browsers hide from us that a form is our own.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


class BadForm(ValueError):
    """A form that no page of ours sent, or that is too old."""

    def __init__(self) -> None:
        super().__init__("this form is too old, or was not sent from its page: load it again")


@dataclass(frozen=True)
class Pages:
    """Renders the templates of ``templates``."""

    settings: ServiceSettings
    sessions: Sessions
    static: StaticFiles
    environment: Environment

    @property
    def root(self) -> str:
        """What stands before the path of every address, behind a proxy."""
        return urlsplit(self.settings.public_url or "").path.rstrip("/")

    def url(self, path: str, **query: object) -> str:
        """An address of the services: `path`, quoted, and what is asked there."""
        asked = {name: value for name, value in query.items() if value is not None}
        end = f"?{urlencode(asked, doseq=True)}" if asked else ""
        return f"{self.root}{quote(path, safe='/:@!$&()*+,;=~')}{end}"

    def render(
        self,
        request: Request,
        template: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **data: Any,
    ) -> HTMLResponse:
        """A page. `data` is what its template names; everything is escaped."""
        session = self.sessions.of(request)
        common = {
            "here": request.scope["path"],
            "status": status,
            "session": session,
            "now": datetime.now(UTC),
            "form_word": lambda purpose: Markup(
                '<input type="hidden" name="{}" value="{}">'
            ).format(WORD, self.sessions.form_word(request, purpose)),
        }
        html = self.environment.get_template(template).render({**common, **data})
        return HTMLResponse(html, status, {**_HEADERS, **(headers or {})})

    def problem(
        self,
        request: Request,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        **more: str,
    ) -> HTMLResponse:
        """A refusal, in the sentence that programs get."""
        return self.render(request, "problem.html", status, headers, message=message, **more)

    def check_form(self, request: Request, form: Form, purpose: str) -> None:
        """Raises BadForm for what was not sent from a page of this session."""
        own = is_from_own_page(request, self.settings.public_url)
        if not own or not self.sessions.is_form_word(request, purpose, form.get(WORD, "")):
            raise BadForm

    def is_secure(self, request: Request) -> bool:
        """Whether the browser speaks https, to us or to a proxy."""
        said = request.headers.get("x-forwarded-proto", request.url.scheme)
        return said == "https" or (self.settings.public_url or "").startswith("https:")


def open_pages(settings: ServiceSettings, sessions: Sessions) -> Pages:
    """The pages of services that are set up so."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from panoptes.network.ingest.ledger import code_version

    environment = Environment(
        loader=PackageLoader("deployments.services.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    pages = Pages(settings, sessions, StaticFiles(), environment)
    environment.globals |= {
        "url": pages.url,
        "static": lambda name: f"{pages.root}{pages.static.address(name)}",
        "navigation": NAVIGATION,
        "version": code_version(),
    }
    environment.tests["simulated"] = is_simulated
    environment.filters |= {
        "line": one_line,
        "text": text,
        "status": status,
        "utc": utc,
        "ago": ago,
        "number": number,
        "duration": duration,
        "size": size,
        "card": card,
        "place": place,
        "hours": hours,
        "degrees": degrees,
        "constellation": constellation,
        "sky_map": map_of,
    }
    return pages


def utc(moment: datetime | None, form: str = "%Y-%m-%d %H:%M:%S") -> Markup:
    """A time for people and for programs."""
    if not isinstance(moment, datetime):
        return Markup(_NONE)
    return Markup('<time datetime="{}">{}</time>').format(
        moment.isoformat(timespec="seconds"), moment.strftime(form)
    )


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, in words."""
    if moment is None:
        return "never"
    seconds = max(0.0, (now - moment).total_seconds())
    for unit, each, least in (("days", 86400, 172_800), ("hours", 3600, 5400), ("minutes", 60, 90)):
        if seconds >= least:
            return f"{round(seconds / each):,} {unit} ago"
    return f"{seconds:.0f} seconds ago"


def number(value: object, digits: int = 0, unit: str = "") -> str:
    """A number, or a dash where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return _NONE
    return f"{value:,.{digits}f}{unit}"


def text(value: object, most: int = 200) -> str:
    """A value of a document, on one line; a dash where there is none."""
    return _NONE if value is None or value == "" else one_line(value, most=most)


def status(fields: Mapping[str, Any], now: datetime, quiet_hours: float) -> str:
    """What an observation's document says of itself, in a word."""
    return text(observation_status(fields, now, quiet_hours), 40)


def card(value: object) -> str:
    """The value of a header's card, as FITS writes truth."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return text(value, 1000)


def duration(seconds: object) -> str:
    """Seconds, in the unit that fits."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return _NONE
    if not math.isfinite(seconds):
        return _NONE
    if 0 < abs(seconds) < 1:
        return f"{seconds:.2f} s"
    for most, each, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if abs(seconds) < most:
            return f"{seconds / each:.{0 if seconds >= 10 * each else 1}f} {unit}"
    return f"{seconds / 86400:,.1f} days"


def size(count: object) -> str:
    """Bytes, in the unit that fits."""
    if isinstance(count, bool) or not isinstance(count, int | float):
        return _NONE
    for each, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if count >= each:
            return f"{count / each:.1f} {unit}"
    return f"{count:,.0f} bytes"


def place(value: object) -> str:
    """A place on Earth."""
    if not isinstance(value, GeoPoint):
        return _NONE
    north = "N" if value.latitude >= 0 else "S"
    east = "E" if value.longitude >= 0 else "W"
    return f"{abs(value.latitude):.2f}° {north}, {abs(value.longitude):.2f}° {east}"
