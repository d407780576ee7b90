"""Forms that people send: read strictly, and only from our own pages.

A page writes ``{{ form_word('rescue') }}`` into its form; its route takes
``Annotated[Form, Depends(posted_form)]`` and asks ``pages.check_form(request, form, 'rescue')``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

WORD = "form_word"
"""The hidden field."""
_TYPE = "application/x-www-form-urlencoded"
_MOST_FIELDS = 100

Form: TypeAlias = Mapping[str, str]


async def posted_form(request: Request) -> Form:
    """The fields of a posted form; of several with a name the last. 415 or 422 for others."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _TYPE:
        raise HTTPException(415, f"this address takes forms, as {_TYPE}")
    body = await request.body()
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise HTTPException(422, "the form cannot be read") from None
    return dict(fields)


def is_from_own_page(request: Request, public_url: str | None) -> bool:
    """Whether a browser says that a page of ours sent this; other programs say nothing."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    if origin is None:
        return True
    own = {request.headers.get("host", ""), urlsplit(public_url or "").netloc}
    return urlsplit(origin).netloc in own - {""}
