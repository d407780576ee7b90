"""Terraform's plan against the schema of Google's provider, which no registry here has itself.

PyPI has what was generated of it: ``pip install --no-deps cdktf-cdktf-provider-google``. It says
of each resource and block which arguments there are, of which form, and which have to be given.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.cloud.plan import plan
from deployments.cloud.terraform import terraform_json
from tests.deployments.cloud.test_plan import CLOUD

PACKAGE = "cdktf_cdktf_provider_google"
OF_TERRAFORM = {"depends_on", "lifecycle"}

pytestmark = [
    pytest.mark.skipif("CLOUD_CHECK" not in os.environ, reason="runs in make cloud-check"),
    pytest.mark.skipif(
        importlib.util.find_spec(PACKAGE) is None,
        reason="needs Google's schema: pip install --no-deps cdktf-cdktf-provider-google",
    ),
]


class Schema:
    """Resources and blocks, by names without underscores and in lower case."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec(PACKAGE)
        assert spec is not None
        assert spec.origin is not None
        (archive,) = (Path(spec.origin).parent / "_jsii").glob("*.tgz")
        with tarfile.open(archive) as tar:
            member = tar.extractfile("package/.jsii")
            assert member is not None
            types = json.load(member)["types"]
        self._types = {name: each for name, each in types.items() if each["kind"] == "interface"}
        self._resources = {name.rpartition(".")[2].lower(): name for name in self._types}

    def resource(self, kind: str) -> str | None:
        """The block of a resource such as google_storage_bucket."""
        return self._resources.get(f"{_plain(kind.removeprefix('google_'))}config")

    def faults(self, block: str, given: dict[str, Any], where: str) -> Iterator[str]:
        """What is wrong with the arguments of a block."""
        known = {_plain(each["name"]): each for each in self._types[block]["properties"]}
        for name, value in given.items():
            if name in OF_TERRAFORM:
                continue
            argument = known.pop(_plain(name), None)
            if argument is None:
                yield f"{where}.{name}: there is none"
            elif (inner := self._block(argument["type"])) is not None:
                for each in value if isinstance(value, list) else [value]:
                    yield from self.faults(inner, each, f"{where}.{name}")
        for name, each in known.items():
            if not each.get("optional"):
                yield f"{where}: lacks {name}"

    def _block(self, kind: dict[str, Any]) -> str | None:
        """Of an argument that is a block, or a list of them."""
        if "fqn" in kind:
            return kind["fqn"] if kind["fqn"] in self._types else None
        inner = [kind["collection"]["elementtype"]] if "collection" in kind else []
        inner += kind.get("union", {}).get("types", [])
        return next(filter(None, map(self._block, inner)), None)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def test_googles_provider_knows_every_argument_and_misses_none() -> None:
    schema = Schema()
    document = json.loads(json.dumps(terraform_json(CLOUD, plan(CLOUD))))["resource"]
    faults: list[str] = []
    for kind, resources in document.items():
        block = schema.resource(kind)
        assert block is not None, f"there is no resource {kind}"
        for label, given in resources.items():
            faults += schema.faults(block, given, f"{kind}.{label}")
    assert faults == []
    broken = {"name": "a", "locatoin": "US"}
    assert list(schema.faults(schema.resource("google_storage_bucket") or "", broken, "")) == [
        ".locatoin: there is none",
        ": lacks location",
    ]
