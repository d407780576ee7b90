"""No pattern of the project can be made to work for long by whoever chooses its input.

Every expression is found by reading the sources, so that a new one is tried as well. Each is
given texts of its own alphabet, in a process whose CPU time is limited: what the machine does
beside it does not matter.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("panoptes", "blocks", "tasks", "flows", "deployments", "benchmarks")
METHODS = ("match", "fullmatch", "search", "sub", "findall", "finditer", "split")
LENGTH = 50_000
CPU_SECONDS = 3
"""For some 200 texts of one pattern, ten times what they need. One that squares needs more."""


@dataclass(frozen=True)
class Use:
    """A pattern, and what the project does with it."""

    place: str
    pattern: re.Pattern[Any]
    methods: tuple[str, ...]


def uses() -> list[Use]:
    """Patterns that modules hold, and those that stand inside of functions."""
    found: list[Use] = []
    for package in PACKAGES:
        for file in sorted((REPOSITORY / package).rglob("*.py")):
            tree = ast.parse(file.read_text())
            called = [(c.func.value.id, c.func.attr, c) for c in calls(tree) if is_named(c)]
            direct = [(name, call) for of, name, call in called if of == "re"]
            if not direct:
                continue
            place = file.relative_to(REPOSITORY)
            module = importlib.import_module(".".join(place.with_suffix("").parts))
            for name, value in vars(module).items():
                methods = tuple({m for of, m, _ in called if of == name and m in METHODS})
                found += [Use(f"{place} {name}", each, methods or METHODS) for each in held(value)]
            for name, call in direct:
                if name in METHODS:
                    text = ast.literal_eval(call.args[0])  # a pattern is written out, or named
                    where = f"{place} line {call.lineno}"
                    found.append(Use(where, re.compile(text, flags_of(call)), (name,)))
    return found


def calls(tree: ast.AST) -> Iterator[Any]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def is_named(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)


def flags_of(call: ast.Call) -> int:
    parts = [part for each in (*call.args[1:], *call.keywords) for part in ast.walk(each)]
    names = [part.attr for part in parts if isinstance(part, ast.Attribute)]
    return sum(getattr(re, name) for name in names if name.isupper())


def held(value: object) -> list[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        return [value]
    inside = value if isinstance(value, tuple | list | set | frozenset) else ()
    return [each for one in inside for each in held(one)]


def letters(pattern: str) -> list[str]:
    """What a pattern speaks of: its own characters, words and classes, in small pieces."""
    plain = re.sub(r"\(\?[a-zA-Z]*:|\(\?P<\w+>|\(\?[=!<]+", "(", pattern)
    words = re.findall(r"[A-Za-z°]{2,12}|[^\w\s\\]|[A-Za-z0-9]", re.sub(r"\\[dswbDSW]", "", plain))
    return list(dict.fromkeys([*words[:24], "1", " ", "a", "/", "_", "'", "12:", ".", "\n", "é"]))


def hostile(pattern: str | bytes) -> Iterator[str]:
    """Long runs and almost-matches of a pattern's own alphabet."""
    pattern = pattern if isinstance(pattern, str) else pattern.decode()
    pieces = letters(pattern)
    begins = re.match(r"[\^(?:]*((?:\\.|[A-Za-z0-9:/%#=_ ])+)", pattern)
    start = begins[1].replace(r"\s", " ").replace(r"\d", "1").replace("\\", "") if begins else ""
    yield "1" * 50 + "!"
    yield "12:" * (LENGTH // 3) + "x"
    yield (start or "1") * (LENGTH // len(start or "1"))
    for piece in pieces:
        run = piece * (LENGTH // len(piece))
        yield run + "\0"
        yield start + run + "\0"
        yield f"{piece} " * (LENGTH // (len(piece) + 1)) + "!"
        yield "1" + run + "!"
        yield from (piece + other * LENGTH + "!" for other in " 1a")
    for one, other in zip(pieces, pieces[1:] + pieces[:1], strict=True):
        yield start + one + other * (LENGTH // len(other)) + "!"
        yield (one + other) * (LENGTH // len(one + other)) + "\0"


def apply(use: Use, given: Any) -> None:
    for method in use.methods:
        match method:
            case "sub":
                use.pattern.sub("", given) if isinstance(given, str) else use.pattern.sub(
                    b"", given
                )
            case "finditer":
                list(use.pattern.finditer(given))
            case _:
                getattr(use.pattern, method)(given)


def try_all(found: list[Use], cpu_seconds: int) -> list[str]:
    """Each in a child of its own; what is too slow, with the text that showed it."""
    slow = []
    for use in found:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
                for text in hostile(use.pattern.pattern):
                    os.write(writing, f"{text[:30]!r}...{text[-3:]!r}\n".encode())
                    apply(use, text if isinstance(use.pattern.pattern, str) else text.encode())
            except BaseException as error:  # noqa: BLE001  the child must end here
                os.write(writing, f"{error!r}\n".encode())
                os._exit(1)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as said:
            last = said.read().splitlines()[-1]
        if os.waitpid(child, 0)[1]:
            slow.append(f"{use.place} is slow on {last}")
    return slow


@pytest.mark.parametrize(
    "known", [r"(?:\d+\.?\d*|[hms])+x", r"\s*[,;]", r"^%I\.0\s+(.+?)\s*(?:=|$)", r"a.*b.*c.*d"]
)
def test_patterns_that_try_every_way_are_found_out(known: str) -> None:
    assert in_a_process([("known", known, "search")], cpu_seconds=1)


def test_no_pattern_of_the_project_is_slow_on_hostile_text() -> None:
    found = uses()
    assert len(found) > 50
    assert {"panoptes", "deployments"} <= {use.place.split("/")[0] for use in found}
    assert in_a_process(None, cpu_seconds=CPU_SECONDS) == []


def in_a_process(chosen: list[tuple[str, str, str]] | None, *, cpu_seconds: int) -> list[str]:
    """Of given patterns or the project's, in a process without threads, which may fork."""
    command = [sys.executable, "-m", "tests.test_patterns", json.dumps([chosen, cpu_seconds])]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


if __name__ == "__main__":
    chosen, cpu_seconds = json.loads(sys.argv[1])
    found = uses() if chosen is None else [Use(a, re.compile(b), (c,)) for a, b, c in chosen]
    sys.stdout.write(json.dumps(try_all(found, cpu_seconds)))
