"""Logs for programs: a JSON object a line, and in each what it is about.

`severity`, `time`, `message` and `stack_trace` are what Google Cloud's Logging and Error Reporting
read (https://cloud.google.com/logging/docs/structured-logging); other programs take the same.
"""

from __future__ import annotations

import json
import logging
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from panoptes.network.file_types import FileType
from panoptes.network.safe_text import one_line

FORMAT = "PANOPTES_LOG_FORMAT"
"""The variable that chooses: `json`, or lines for people."""
_MOST = 16_384
"""Characters of a message."""
_RUN = ("flow_run_id", "flow_run_name", "task_run_id", "task_run_name")
"""What Prefect says of a record of a run."""
_TIME = r"\d{8}T\d{6}"
_PATH = re.compile(
    rf"(PAN\d{{3}})/(?:[^/\n]{{1,100}}/){{0,2}}?((?!{_TIME}/)[^/\n]{{1,40}})/({_TIME})(?:/({_TIME}))?",
    re.ASCII,
)
_LABEL = re.compile(rf"(PAN\d{{3}}_[^/\s]{{1,40}}_{_TIME}) (?:{'|'.join(FileType)})", re.ASCII)
_INGEST = re.compile(rf"ingest (PAN\d{{3}}_[^/\s]{{1,40}}_{_TIME})", re.ASCII)

_about: ContextVar[tuple[str | None, str | None]] = ContextVar("about", default=(None, None))
"""Observation and image."""


@contextmanager
def about(sequence_id: str | None, image_id: str | None = None) -> Iterator[None]:
    """What is logged meanwhile, in this thread, is about this observation and image."""
    before = _about.get()
    token = _about.set((sequence_id or before[0], image_id or before[1]))
    try:
        yield
    finally:
        _about.reset(token)


def wants_json() -> bool:
    """Whether the environment asks for JSON."""
    return os.environ.get(FORMAT, "").strip().lower() == "json"


class JsonLine(logging.Formatter):
    """A record as one line of JSON, in ASCII: nothing that was uploaded can begin another."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        message = record.getMessage()
        line: dict[str, Any] = {
            "severity": _severity(record.levelno),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "message": one_line(message, most=_MOST),
            "logger": record.name,
        }
        line |= {name: str(said) for name in _RUN if (said := getattr(record, name, None))}
        named = _named(record, message)
        for name, said in zip(("sequence_id", "image_id"), _about.get(), strict=True):
            if said:
                named[name] = said
        line |= named
        if record.exc_info and record.exc_info[1] is not None:
            line["stack_trace"] = "".join(traceback.format_exception(record.exc_info[1]))
        elif record.exc_text:
            line["stack_trace"] = record.exc_text
        return json.dumps(line)


def _severity(level: int) -> str:
    for least, name in ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO")):
        if level >= least:
            return name
    return "DEBUG"


def _named(record: logging.LogRecord, message: str) -> dict[str, str]:
    """The observation and image that the record names, where nobody said what it is about."""
    for text in (getattr(record, "task_run_name", None), message):
        if found := _PATH.search(str(text or "")):
            unit, camera, sequence, image = found.groups()
            named = {"sequence_id": f"{unit}_{camera}_{sequence}"}
            return named | ({"image_id": f"{unit}_{camera}_{image}"} if image else {})
    named = {}
    if found := _INGEST.search(str(getattr(record, "flow_run_name", None) or "")):
        named["sequence_id"] = found[1]
    if found := _LABEL.search(str(getattr(record, "task_run_name", None) or "")):
        named["image_id"] = found[1]
    return named
