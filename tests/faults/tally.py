"""What was injected, what was at risk and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.faults.judge import Verdict

COUNTED = ("lost", "double", "counters", "stray", "differs", "audit")


@dataclass
class Kind:
    """All faults of one kind on one pair of backends."""

    faults: int = 0
    files: int = 0
    """At risk: uploads in the world at every fault."""
    wrong: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))


@dataclass
class Tally:
    """What one test, or the whole suite, has done."""

    seed: int = 0
    seconds: float = 0.0
    """Of the tests, added up; several may have gone side by side."""
    kinds: dict[str, Kind] = field(default_factory=dict)
    inventory: dict[str, dict[str, int]] = field(default_factory=dict)
    """By backend: calls to stores and catalog that a run makes, and how often."""
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def add(self, kind: str, label: str, verdict: Verdict, *, files: int, faults: int = 1) -> None:
        """One world judged, after `faults` faults of a kind; `label` says where, to repeat it."""
        counted = self.kinds.setdefault(kind, Kind())
        counted.faults += faults
        counted.files += files
        for part in COUNTED:
            counted.wrong[part] += len(getattr(verdict, part))
        where = f"seed {self.seed}, {kind}, {label}"
        self.findings += [f"{where}: {sentence}" for sentence in verdict.sentences]
        self.findings += [f"{where}: still waits: {name}" for name in verdict.waiting]

    def calls(self, backend: str, told: Iterable[str]) -> None:
        names = (call.removeprefix("before ") for call in told if call.startswith("before "))
        self.inventory[backend] = dict(sorted(Counter(names).items()))

    def merge(self, other: Tally) -> None:
        self.seed = other.seed or self.seed
        self.seconds += other.seconds
        for name, kind in other.kinds.items():
            mine = self.kinds.setdefault(name, Kind())
            mine.faults += kind.faults
            mine.files += kind.files
            for part in COUNTED:
                mine.wrong[part] += kind.wrong[part]
        self.inventory |= other.inventory
        for part in ("skipped", "notes", "findings"):
            getattr(self, part).extend(getattr(other, part))

    def document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Tally:
        kinds = {name: Kind(**kind) for name, kind in document["kinds"].items()}
        return cls(**{**document, "kinds": kinds})

    def total(self, part: str) -> int:
        return sum(kind.wrong[part] for kind in self.kinds.values())

    @property
    def sentence(self) -> str:
        faults = sum(kind.faults for kind in self.kinds.values())
        files = sum(kind.files for kind in self.kinds.values())
        return (
            f"{faults} faults, {files} files at risk: {self.total('lost')} files lost, "
            f"{self.total('double')} documents double, {self.total('counters')} counters wrong, "
            f"{self.total('stray')} stray objects, {self.total('differs')} differences from a "
            f"faultless run, {self.total('audit')} findings of the auditor."
        )


def markdown(seeds: Mapping[int, Tally], *, commit: str, seconds: float) -> str:
    """The report that people read, of one whole run of the suite."""
    whole = Tally()
    for each in seeds.values():
        whole.merge(each)
    first = min(seeds)
    lines = [
        "# Fault suite",
        "",
        whole.sentence,
        "",
        f"Of commit {commit}, with {len(seeds)} seeds in {seconds:.0f} s. Repeat one: "
        f"`FAULT_SEED={first} make faults`. The seed chooses moments, places and orders; what "
        "the operating system does in between is not repeated.",
        "",
        "| seed | faults | files at risk | " + " | ".join(COUNTED) + " | seconds of tests |",
        "|--:" * (4 + len(COUNTED)) + "|",
    ]
    for seed, tally in sorted(seeds.items()):
        faults = sum(kind.faults for kind in tally.kinds.values())
        files = sum(kind.files for kind in tally.kinds.values())
        wrong = " | ".join(str(tally.total(part)) for part in COUNTED)
        lines.append(f"| {seed} | {faults} | {files} | {wrong} | {tally.seconds:.0f} |")
    lines += [
        "",
        "| fault | injected | files at risk | " + " | ".join(COUNTED) + " |",
        "|---" + "|--:" * (2 + len(COUNTED)) + "|",
    ]
    for name, kind in sorted(whole.kinds.items()):
        wrong = " | ".join(str(kind.wrong[part]) for part in COUNTED)
        lines.append(f"| {name} | {kind.faults} | {kind.files} | {wrong} |")
    for title, items in (
        ("Findings", whole.findings),
        ("Skipped", list(dict.fromkeys(whole.skipped))),
        ("Notes", whole.notes),
    ):
        if items:
            lines += ["", f"## {title}", "", *(f"- {item}" for item in items)]
    if whole.inventory:
        lines += ["", "## Calls of one run", ""]
        lines += [
            "A process is killed before every one of these, and after those that returned, five "
            "seeds in a row taking a fifth each: on folders in the whole night, on Google's "
            "emulators in the small one, with a sample of the whole."
        ]
    for backend, calls in sorted(whole.inventory.items()):
        listed = ", ".join(f"{name} {count}" for name, count in calls.items())
        lines += ["", f"{backend} ({sum(calls.values())}): {listed}."]
    return "\n".join(lines) + "\n"
