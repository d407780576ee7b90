"""What is installed is what the software bill of materials lists."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

INSTALLED = """
import importlib.metadata, json, re
print(json.dumps(sorted({
    (re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower(), each.version)
    for each in importlib.metadata.distributions()
})))
"""
"""Prints every distribution and its version."""


def listed_packages(sbom: dict[str, Any]) -> list[list[str]]:
    """The same of a CycloneDX document."""
    own = sbom["metadata"]["component"]
    return sorted(
        [re.sub(r"[-_.]+", "-", each["name"]).lower(), each["version"]]
        for each in (own, *sbom["components"])
    )


def test_every_distribution_is_listed_in_a_document_of_the_standards_form(
    repository: Path, tmp_path: Path
) -> None:
    # Not beside Prefect, as pyproject.toml says.
    beside = repository / "build" / "sbom"
    if not (beside / ".ready").exists():
        pytest.skip("needs cyclonedx-py: make sbom installs it")
    documents = [tmp_path / "one.json", tmp_path / "two.json"]
    for document in documents:
        # As the Containerfile has it, but for its own validation, which takes long.
        subprocess.run(
            [beside / "bin" / "python", "-m", "cyclonedx_py", "environment", "--no-validate",
             "--pyproject", "pyproject.toml", "--output-reproducible", "-o", document,
             sys.executable],
            cwd=repository, check=True, capture_output=True,
        )  # fmt: skip
    assert documents[0].read_bytes() == documents[1].read_bytes()
    sbom = json.loads(documents[0].read_text())
    [schemas] = beside.glob("lib/python*/site-packages/cyclonedx/schema/_res")
    others = [
        (f"http://cyclonedx.org/schema/{name}", json.loads((schemas / name).read_text()))
        for name in ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json")
    ]
    schema = json.loads((schemas / "bom-1.6.SNAPSHOT.schema.json").read_text())
    jsonschema_rs.validator_for(schema, registry=jsonschema_rs.Registry(others)).validate(sbom)
    said = subprocess.run(
        [sys.executable, "-c", INSTALLED], check=True, capture_output=True, text=True
    )
    assert listed_packages(sbom) == json.loads(said.stdout)
    assert all("purl" in each for each in sbom["components"])


def test_what_makes_it_is_not_beside_prefect_whose_import_would_take_twice_as_long() -> None:
    assert importlib.util.find_spec("rfc3987_syntax") is None, (
        "rfc3987-syntax is installed: make clean, or pip uninstall it from .venv"
    )
