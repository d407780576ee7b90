"""Keys of artifacts: letters, digits and dashes, as Prefect has them."""

from __future__ import annotations

import hashlib
import re


def observation_key(sequence_id: str) -> str:
    """No two observations share one."""
    plain = sequence_id.lower().replace("_", "-")
    # A camera may be called anything: what is told apart by other signs gets a digest.
    if re.fullmatch(r"pan\d{3}-[0-9a-z]+-\d{8}t\d{6}", plain):
        return plain
    return f"{_of(plain)}-{hashlib.sha256(sequence_id.encode()).hexdigest()[:8]}"


def network_key(name: str) -> str:
    """Of a network's block."""
    return _of(name.lower()).strip("-") or "network"


def _of(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text)
