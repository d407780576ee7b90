"""What is installed is what the software bill of materials lists."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cyclonedx.schema
import jsonschema_rs

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
    documents = [tmp_path / "one.json", tmp_path / "two.json"]
    for document in documents:
        # As the Containerfile has it, but for its own validation, which takes long.
        subprocess.run(
            [Path(sys.executable).parent / "cyclonedx-py", "environment", "--no-validate",
             "--pyproject", "pyproject.toml", "--output-reproducible", "-o", document,
             sys.executable],
            cwd=repository, check=True, capture_output=True,
        )  # fmt: skip
    assert documents[0].read_bytes() == documents[1].read_bytes()
    sbom = json.loads(documents[0].read_text())
    schemas = Path(cyclonedx.schema.__file__).parent / "_res"
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
