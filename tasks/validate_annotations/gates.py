"""What stops a batch: a rule whose action is `stop`, or a gate whose share was passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from include.definitions.expectations import Gate
from include.definitions.suites import InUse

Counts = Mapping[tuple[str, str, str], int]


def share(gate: Gate, counts: Counts, in_use: InUse, rows: Mapping[str, int]) -> tuple[int, int]:
    """Findings that the gate counts, and the rows of the batch that they are a share of."""
    subjects = {one.name: one.rule.subject for one in in_use.rules}
    subject = subjects[gate.rules[0]] if gate.rules else gate.on.removesuffix("s")
    found = sum(
        count
        for (about, action, rule), count in counts.items()
        if about == subject and (rule in gate.rules if gate.rules else action.startswith("reject"))
    )
    return found, rows[subject]


@dataclass(frozen=True)
class Passed:
    """A gate whose share was passed, in words."""

    gate: Gate
    got: str
    expected: str


def passed(counts: Counts, in_use: InUse, rows: Mapping[str, int]) -> list[Passed]:
    """`rows`: of the batch, by subject."""
    found = []
    for gate in in_use.gates:
        count, of = share(gate, counts, in_use, rows)
        if of >= gate.min_rows and count > gate.max_share * of:
            found.append(Passed(gate, f"{count} of {of} ({count / of:.1%})", f"at most {gate.max_share:.1%}"))
    return found


def stopped_by(counts: Counts, in_use: InUse, passed: Sequence[Passed]) -> tuple[str, ...]:
    """Every rule and gate that stops the batch, with its numbers."""
    rules = {one.name: one for one in in_use.rules}
    stops = sorted((rule, count) for (_, action, rule), count in counts.items() if action == "stop" and rule in rules)
    said = [f"{rule}: {count} found; expected {rules[rule].expected}" for rule, count in stops]
    return tuple(said + [f"{one.gate.name}: {one.got}; {one.expected}" for one in passed if one.gate.action == "stop"])
