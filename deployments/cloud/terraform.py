"""The plan as Terraform's JSON (https://developer.hashicorp.com/terraform/language/syntax/json)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deployments.cloud.decisions import Cloud
from deployments.cloud.resource import Resource

PROVIDER = "~> 7.0"
"""The first in which Cloud Run's worker pools are."""


def terraform_json(cloud: Cloud, resources: Sequence[Resource]) -> dict[str, Any]:
    """The contents of ``main.tf.json``."""
    made: dict[str, dict[str, Any]] = {}
    for each in resources:
        arguments = dict(each.arguments)
        if each.follows:
            arguments["depends_on"] = list(each.follows)
        made.setdefault(each.kind, {})[each.label] = arguments
    return {
        "terraform": {
            "required_version": ">= 1.5",
            "required_providers": {"google": {"source": "hashicorp/google", "version": PROVIDER}},
        },
        "provider": {"google": {"project": cloud.project, "region": cloud.region}},
        "resource": made,
    }
