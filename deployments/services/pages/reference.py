"""The page of what programs can ask: the OpenAPI document, to be read without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from deployments.services.pages.pages import Pages

PATH = "/docs"
_METHODS = ("get", "post", "put", "delete")


@dataclass(frozen=True)
class Parameter:
    """Something that is asked with a request."""

    name: str
    place: str
    is_required: bool
    kind: str
    description: str


@dataclass(frozen=True)
class Operation:
    """Something that can be asked."""

    id: str
    method: str
    path: str
    description: str
    parameters: tuple[Parameter, ...]
    answers: tuple[tuple[str, str], ...]


def operations(document: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """What an OpenAPI document offers, by its first tag."""
    found: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                said = item[method]
                tag = (said.get("tags") or ["other"])[0]
                found.setdefault(tag, []).append(_operation(document, method, path, said))
    return found


def _operation(
    document: Mapping[str, Any], method: str, path: str, said: Mapping[str, Any]
) -> Operation:
    body = said.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        id=said["operationId"],
        method=method.upper(),
        path=path,
        description=(said.get("description") or said.get("summary", "")).replace("`", ""),
        parameters=(
            *(
                Parameter(
                    each["name"],
                    each["in"],
                    each.get("required", False),
                    _kind(document, each["schema"]),
                    each.get("description", ""),
                )
                for each in said.get("parameters", ())
            ),
            *_body(document, body.get("schema", {})),
        ),
        answers=tuple((code, each["description"]) for code, each in said["responses"].items()),
    )


def _body(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Parameter]:
    whole = _resolved(document, schema)
    for name, each in whole.get("properties", {}).items():
        required = name in whole.get("required", ())
        said = each.get("description", "")
        yield Parameter(name, "body", required, _kind(document, each), said)


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    whole = _resolved(document, schema)
    if "anyOf" in whole:
        kinds = [_kind(document, each) for each in whole["anyOf"] if each.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in whole:
        return ", ".join(map(str, whole["enum"]))
    if whole.get("type") == "array":
        return f"{_kind(document, whole.get('items', {}))}; may be repeated"
    return str(whole.get("format", whole.get("type", "anything")))


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    whole: Mapping[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return whole


def reference_router(pages: Pages) -> APIRouter:
    """``/docs``."""
    router = APIRouter(include_in_schema=False)

    @router.get(PATH)
    def reference(request: Request) -> Response:
        document = request.app.openapi()
        return pages.render(
            request,
            "reference.html",
            about=document["info"],
            groups=operations(document),
            base=f"{request.url.scheme}://{request.url.netloc}",
        )

    return router
