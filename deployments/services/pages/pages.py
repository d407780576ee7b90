"""Templates filled in, with what every page has: navigation, policy, who is signed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from deployments.services.pages.forms import WORD, Form, is_from_own_page
from deployments.services.pages.sessions import Sessions
from deployments.services.pages.static_files import StaticFiles
from deployments.services.settings import ServiceSettings
from panoptes.network.safe_text import one_line

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
    ("/sky", "Sky"),
    ("/quarantine", "Quarantine"),
    ("/docs", "Docs"),
)
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
    environment.filters |= {"line": one_line, "utc": utc, "ago": ago, "number": number}
    return pages


def utc(moment: datetime | None, form: str = "%Y-%m-%d %H:%M:%S") -> Markup:
    """A time for people and for programs."""
    if not isinstance(moment, datetime):
        return Markup("–")
    return Markup('<time datetime="{}">{}</time>').format(
        moment.isoformat(timespec="seconds"), moment.strftime(form)
    )


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, in words."""
    if moment is None:
        return "never"
    passed = now - moment
    if passed < timedelta(seconds=90):
        return "just now"
    for unit, least in (("days", 86400 * 2), ("hours", 5400), ("minutes", 60)):
        if passed.total_seconds() >= least:
            each = {"days": 86400, "hours": 3600, "minutes": 60}[unit]
            return f"{round(passed.total_seconds() / each):,} {unit} ago"
    return "just now"


def number(value: object, digits: int = 0) -> str:
    """A number, or a dash where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    return f"{value:,.{digits}f}"
