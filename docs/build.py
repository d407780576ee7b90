"""Builds the docs site into build/docs: `make docs`.

The pages are the Markdown of this folder as it is, and reference pages that are written here
from the code: nothing of them is kept. Links that lead nowhere end the build, and so does a
page that would load something from another host.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "build" / "docs-source"
SITE = REPOSITORY / "build" / "docs"
BESIDE = ("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/RESULTS.md", "tests/faults/REPORT.md")
"""Pages of other folders, and the parts of the site with their pages, in this order."""
PARTS = {
    "For volunteers": ["quarantine"],
    "For operators": [
        "how-to",
        "operations",
        "upgrades",
        "events",
        "units",
        "notices",
        "services",
        "cloud",
        "scale",
    ],
    "Reference": [
        "command-line",
        "reference/commands",
        "reference/http",
        "reference/flows",
        "reference/blocks",
        "reference/settings",
        "data-model",
        "keywords",
        "science",
        "reference/python",
    ],
    "For engineers": [
        "library",
        "design",
        "CONTRIBUTING",
        "benchmarks/RESULTS",
        "tests/faults/REPORT",
        "CHANGELOG",
    ],
}
_ELSEWHERE = re.compile(r"<(?:link|script|img|iframe|source)\b[^>]*\b(?:src|href)=\"(?:https?:)?//")


def main() -> int:
    """Stage the pages, write the reference, have Sphinx build; 0 if all is well."""
    stage()
    for name, text in reference().items():
        path = SOURCE / "reference" / f"{name}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    from sphinx.cmd.build import main as sphinx_build

    shutil.rmtree(SITE, ignore_errors=True)
    strict = ["--fail-on-warning", "--keep-going", "--quiet"]
    where = ["-d", f"{SOURCE}-kept", str(SOURCE), str(SITE)]
    failed: int = sphinx_build([*strict, "-b", "html", *where])
    if failed:
        return failed
    foreign = [page for page in SITE.rglob("*.html") if _ELSEWHERE.search(page.read_text())]
    for page in foreign:
        sys.stderr.write(f"{page} loads something from another host\n")
    sys.stdout.write(f"Open {SITE}/index.html, also without a server.\n")
    return 1 if foreign else 0


def stage() -> None:
    """What is written by hand, with its links as they are in the site."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    docs = REPOSITORY / "docs"
    shutil.copytree(
        docs, SOURCE, ignore=lambda _, names: [n for n in names if n.startswith("__pycache__")]
    )
    for page in SOURCE.glob("*.md"):
        page.write_text(page.read_text().replace("](../", "]("))
    for name in BESIDE:
        (SOURCE / name).parent.mkdir(parents=True, exist_ok=True)
        (SOURCE / name).write_text((REPOSITORY / name).read_text().replace("](docs/", "]("))
    for page in [*SOURCE.glob("*.md")]:
        for target in re.findall(r"\]\(([\w./-]+)", page.read_text()):
            if (REPOSITORY / target).is_file() and not (SOURCE / target).exists():
                (SOURCE / target).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / target, SOURCE / target)
    trees = (
        "\n".join(["```{toctree}", ":hidden:", f":caption: {part}", "", *pages, "```", ""])
        for part, pages in PARTS.items()
    )
    index = SOURCE / "index.md"
    index.write_text("\n".join([index.read_text(), *trees]))


def reference() -> dict[str, str]:
    """The generated pages: Markdown by name."""
    return {
        "commands": commands(),
        "http": http(),
        "flows": flows(),
        "blocks": blocks(),
        "settings": settings(),
        "python": python(),
    }


def commands() -> str:
    """Every command and its options, as typer tells them."""
    typer = [sys.executable, "-m", "typer", "deployments.command_line.main", "utils", "docs"]
    told = subprocess.run(
        [*typer, "--name", "panoptes-network", "--title", "Commands"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout


def http() -> str:
    """What the services answer, by their OpenAPI schema."""
    from deployments.services.app import create_app
    from deployments.services.settings import ServiceSettings
    from panoptes.network.site import Site

    with tempfile.TemporaryDirectory() as empty:
        schema = create_app(Site.in_folder(Path(empty)), ServiceSettings(files="archive")).openapi()
    lines = ["# HTTP", "", "The schema itself is `/openapi.json` of running services."]
    for path, methods in schema["paths"].items():
        for method, asked in methods.items():
            lines += ["", f"## {method.upper()} {_plain(path)}", ""]
            lines += [asked.get("description") or asked.get("summary", ""), ""]
            body = asked.get("requestBody", {}).get("content", {}).get("application/json", {})
            taken = asked.get("parameters", []) or _properties(schema, body.get("schema", {}))
            lines += _table(
                ("field of the body" if body else "parameter", "type", "default", ""),
                ((f"`{each['name']}`", *_field(each["schema"], each)) for each in taken),
            )
            answers = asked["responses"].items()
            lines += _table(
                ("status", ""), ((code, said.get("description", "")) for code, said in answers)
            )
    return _page(lines)


def flows() -> str:
    """The flows, their parameters, and how prefect.yaml deploys each."""
    import yaml
    from prefect.flows import load_flow_from_entrypoint

    document = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())
    by_flow: dict[str, list[dict[str, Any]]] = {}
    for each in document["deployments"]:
        by_flow.setdefault(each["entrypoint"], []).append(each)
    lines = ["# Flows and deployments", ""]
    for entrypoint, deployments in by_flow.items():
        flow: Any = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
        lines += ["", f"## {flow.name}", "", flow.description.partition("Args:")[0].rstrip(), ""]
        lines += _table(
            ("parameter", "type", "default", ""),
            (
                (f"`{name}`", *_field(schema, {"required": name in flow.parameters.required}))
                for name, schema in flow.parameters.properties.items()
            ),
        )
        for each in deployments:
            pool = each["work_pool"]
            lines += [f"**{flow.name}/{each['name']}**: {each['description'].strip()}", ""]
            told = [f"queue `{pool['work_queue_name']}`"]
            for plan in each.get("schedules", []):
                told.append(
                    f"`{plan['cron']}`" if "cron" in plan else f"every {plan['interval']} s"
                )
            told += ["on events" for _ in each.get("triggers", [])]
            told += [f"`{k}`: {v}" for k, v in (each.get("parameters") or {}).items()]
            lines += [f"{'; '.join(told)}.", ""]
    return _page(lines)


def blocks() -> str:
    """The block's form."""
    from blocks.network import PanoptesNetwork

    block = PanoptesNetwork.model_json_schema()
    lines = ["# Blocks", "", f"## {PanoptesNetwork._block_type_name}", ""]
    lines += [str(PanoptesNetwork._description), ""]
    return _page([*lines, *_model(block, prefix="")])


def settings() -> str:
    """What the environment says of the network, the services and the receiver."""
    from deployments.receiver.settings import ReceiverSettings
    from deployments.services.settings import ServiceSettings
    from panoptes.network.settings import NetworkSettings

    lines = ["# Settings by environment", ""]
    for title, model, prefix in (
        ("The network", NetworkSettings, "PANOPTES_"),
        ("The services", ServiceSettings, "PANOPTES_SERVICES_"),
        ("The receiver", ReceiverSettings, "PANOPTES_RECEIVER_"),
    ):
        lines += [f"## {title}", "", *_model(model.model_json_schema(), prefix=prefix)]
    return _page(lines)


def python() -> str:
    """The library's public names, which Sphinx reads from its modules."""
    import panoptes.network as library

    lines = ["# Python", "", "How to begin is shown in [The library](../library.md).", ""]
    for module in pkgutil.walk_packages(library.__path__, "panoptes.network."):
        importlib.import_module(module.name)
        lines += [f"## {module.name}", "", "```{eval-rst}"]
        lines += [f".. automodule:: {module.name}", "   :members:"]
        package, _, name = module.name.rpartition(".")
        if not isinstance(getattr(sys.modules[package], name), ModuleType):
            lines += ["   :no-index:"]  # the package has something else by this name
        lines += ["```", ""]
    return _page(lines)


def _model(schema: Mapping[str, Any], *, prefix: str) -> list[str]:
    required = schema.get("required", [])
    return _table(
        ("variable" if prefix else "field", "type", "default", ""),
        (
            (
                f"`{prefix + name.upper()}`" if prefix else field.get("title", name),
                *_field(field, {"required": name in required}),
            )
            for name, field in schema["properties"].items()
        ),
    )


def _properties(schema: Mapping[str, Any], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fields of a body, which the schema keeps by name."""
    model = schema["components"]["schemas"].get(body.get("$ref", "").rpartition("/")[2], {})
    required = model.get("required", [])
    return [
        {"name": name, "schema": field, "required": name in required}
        for name, field in model.get("properties", {}).items()
    ]


def _field(schema: Mapping[str, Any], about: Mapping[str, Any]) -> tuple[str, str, str]:
    """Type, default and description."""
    default = schema.get("default")
    if about.get("required"):
        shown = "*required*"
    else:
        shown = "" if default in (None, "", [], {}) else f"`{default}`"
    described = about.get("description") or schema.get("description") or ""
    return _type(schema), shown, described


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if either := schema.get("anyOf"):
        kinds = [_type(each) for each in either if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(filter(None, kinds)))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}".removesuffix(" of ")
    return str(schema.get("format") or schema.get("type") or "")


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    cells = [[" ".join(str(c).split()).replace("|", "\\|") for c in row] for row in rows]
    if not cells:
        return []
    titles = list(titles)
    lines = [f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *cells)]
    return [*lines, ""]


def _plain(text: str) -> str:
    return re.sub(r"([{}_*\[\]<>])", r"\\\1", text)


def _page(lines: Iterable[str] | Iterator[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
