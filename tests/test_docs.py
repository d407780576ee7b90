"""The documentation names what is there, and its examples give what they show."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from deployments.command_line.main import COMMANDS
from docs import build
from panoptes.network.errors import ADVICE

REPOSITORY = Path(__file__).parents[1]
ROOMS = "panoptes/network|blocks|tasks|flows|deployments|tests|benchmarks|docs"
DOTTED = re.compile(rf"(?<![\w./-])(?:{ROOMS.replace('/', '[.]')})(?:\.\w+)+")
_FILE = re.compile(rf"(?<![\w./-])(?:{ROOMS})/[\w./-]*\w\.(?:py|md|json|sql)\b")
_MODULE = re.compile(r"python -m ([\w.]+)")
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")
_ANCHOR = re.compile(r"\]\((?!https?:|mailto:)([\w./-]*)#([\w-]+)\)")
_NAME = re.compile(r"`([A-Za-z]\w*(?:[A-Z_]\w*)|[A-Z][a-z]\w*)(?:\(\))?`")


def _tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", pattern],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    names = (name for name in listed.stdout.split("\0") if name)
    return [path for name in names if (path := REPOSITORY / name).exists()]


# What was is told in the past tense.
PAGES = [path for path in _tracked("*.md") if path.name not in ("CHANGELOG.md", "REPORT.md")]
SOURCES = [path for path in _tracked("*.py") if path != Path(__file__)]
for_each_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(path.relative_to(REPOSITORY)) for path in PAGES]
)


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            continue
        if found is None:
            continue
        holder: object = importlib.import_module(name)
        for part in parts[count:]:
            if part in getattr(holder, "__annotations__", {}):
                return True
            if not hasattr(holder, part):
                return False
            holder = getattr(holder, part)
        return True
    return False


@for_each_page
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    missing = [name for name in _FILE.findall(text) if not (REPOSITORY / name).exists()]
    missing += [name for name in _LINK.findall(text) if not (page.parent / name).exists()]
    assert not missing


@for_each_page
def test_every_heading_that_a_page_leads_to_is_there(page: Path) -> None:
    missing = []
    for name, anchor in _ANCHOR.findall(page.read_text()):
        text = (page.parent / name if name else page).read_text()
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        # As GitHub and the docs site make them.
        anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
        if anchor not in anchors:
            missing.append(f"{name}#{anchor}")
    assert not missing


@for_each_page
def test_every_module_that_a_page_runs_or_names_can_be_imported(page: Path) -> None:
    text = page.read_text()
    ours = [name for name in _MODULE.findall(text) if importlib.util.find_spec(name) is None]
    missing = [name for name in DOTTED.findall(text) if not is_there(name)]
    assert not ours
    assert not missing


@pytest.mark.parametrize("page", ["docs/design.md", "CONTRIBUTING.md", "docs/library.md"])
def test_every_class_and_function_that_a_page_names_is_in_the_sources(page: str) -> None:
    names = set(_NAME.findall((REPOSITORY / page).read_text()))
    others = [*_tracked("*.yaml"), *_tracked("Makefile"), *_tracked("*.toml")]
    words = set(re.findall(r"\w+", "\n".join(p.read_text() for p in [*SOURCES, *others])))
    assert names
    assert not names - words


def test_every_name_of_ours_in_the_sources_comments_is_there() -> None:
    wrong = []
    for source in SOURCES:
        for quoted in re.findall(r"`([^`\n]+)`", source.read_text()):
            if DOTTED.fullmatch(quoted) and not is_there(quoted):
                wrong.append(f"{source.relative_to(REPOSITORY)}: {quoted}")
    assert not wrong


def test_the_site_has_every_page_and_every_command_flow_and_setting_in_its_reference() -> None:
    places = {page for part in build.PARTS.values() for page in part}
    pages = build.reference()
    assert {path.stem for path in (REPOSITORY / "docs").glob("*.md")} - {"index"} <= places
    assert {f"reference/{name}" for name in pages} <= places
    for name, words in {
        "commands": [f"## `panoptes-network {name}`" for name in COMMANDS],
        "http": ["## GET /observations", "## POST /lookup-field"],
        "flows": ["## ingest-observation", "**ingest-observation/backfill**", "`most_files`"],
        "blocks": ["## PANOPTES network", "Google credentials"],
        "settings": [
            "`PANOPTES_INCOMING`",
            "`PANOPTES_SERVICES_TOKEN`",
            "`PANOPTES_RECEIVER_OPEN`",
        ],
        "python": [".. automodule:: panoptes.network.fits.archive"],
    }.items():
        assert [word for word in words if word not in pages[name]] == []


def test_the_readme_lists_every_service_and_every_command_that_it_does_not_begin_with() -> None:
    text = (REPOSITORY / "README.md").read_text()
    cells = "\n".join(re.findall(r"^\| (`.+?`) \|", text, re.MULTILINE))
    named = {name.removeprefix("panoptes-network ") for name in re.findall(r"`([^`]+)`", cells)}
    deployed = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    services = {each["entrypoint"].rpartition(".")[2].replace("_", "-") for each in deployed}
    assert services | set(COMMANDS) - {"demo", "ingest", "up"} <= named


def test_operators_find_each_code_of_quarantine_and_which_of_them_do_not_wait() -> None:
    text = (REPOSITORY / "docs/operations.md").read_text()
    table = text.partition("\n## Quarantine codes\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    codes = [code for row in rows for code in re.findall(r"`([\w-]+)`", row)]
    assert sorted(codes) == sorted(ADVICE)
    (listed,) = re.findall(r"every code of quarantine but ([^)]+)\)", text)
    at_once = {code for code, advice in ADVICE.items() if not advice.may_pass}
    assert set(re.findall(r"`([\w-]+)`", listed)) == at_once


def test_the_examples_of_the_library_give_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (REPOSITORY / "docs/library.md").read_text()
    examples = "\n".join(re.findall(r"```python\n(.*?)```", page, re.S))
    test = doctest.DocTestParser().get_doctest(examples, {}, "library.md", "library.md", 0)
    assert len(test.examples) > 20
    told: list[str] = []
    ran = doctest.DocTestRunner().run(test, out=told.append)
    assert not ran.failed, "".join(told)
