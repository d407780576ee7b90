"""One thing to make on Google Cloud, as both of its tools are told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Command: TypeAlias = tuple[str, ...]
"""Arguments of gcloud, without the name of the program."""


@dataclass(frozen=True)
class Resource:
    """What is made once and then kept as the plan says.

    References between resources are Terraform's, ``${TYPE.LABEL.ATTRIBUTE}``; gcloud's commands
    come in an order in which what is named is there.
    """

    kind: str
    """Terraform's type, such as ``google_storage_bucket``."""
    label: str
    """Terraform's name, of letters, digits and underscores."""
    arguments: Mapping[str, Any]
    create: Command
    describe: Command = ()
    """Says something where it is there. Empty where `create` may be repeated: what it names is
    there already, which gcloud says or passes over."""
    update: Command = ()
    """Brings what is there to what the plan says."""
    delete: Command = ()
    """Empty where teardown leaves it: what holds data, and what others may use, too."""
    follows: tuple[str, ...] = field(default=())
    """``TYPE.LABEL`` of what must be there first and is not referred to."""

    @property
    def address(self) -> str:
        return f"{self.kind}.{self.label}"
