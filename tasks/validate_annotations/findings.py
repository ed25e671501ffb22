"""The rows of FINDINGS: what was found of a row, in words. Made only of rows of which there is something to say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import pyarrow as pa

from include.artifacts.tables import FINDINGS, table_of_columns
from include.checks.annotation_checks import SIDES
from include.checks.every import CHECKS
from include.definitions.suites import RuleInUse
from tasks.validate_annotations.frames import stock_columns
from tasks.validate_annotations.gates import Passed
from tasks.validate_annotations.verdicts import Rules

Row = Mapping[Any, Any]
Finding = dict[str, Any]
AT_ONCE = 20_000  # findings that are Python objects at the same time
SUBJECTS = {"images": "image", "annotations": "annotation", "batch": "batch"}


class Findings:
    """Makes them, with the owner's name in each."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def of(self, row: Row, rule: RuleInUse, action: str, got: str, **more: Any) -> Finding:
        """One. Whatever else the row says of who and what is kept with it."""
        subject = more.get("subject", SUBJECTS[rule.on])
        said = {name: _text(row.get(name)) for name in ("image_key", "annotation_id", "class_name", "annotator", "job")}
        return said | {
            "subject": subject, "key": row.get(f"{subject}_key"), "rule": rule.name, "action": action, "owner": self.owner,
            "got": got, "expected": rule.expected, "suite": rule.suite,
            "severity": "warning" if action in ("warn", "repair") else "error",
        } | more  # fmt: skip

    def of_row(self, row: Row, bits: int, rules: Rules) -> Iterator[Finding]:
        """All of one row, `row` as it was repaired: one if it is set aside, else one for each repair and each warning."""
        broken = rules.named(bits)
        rejecting = [one for one in broken if one.action in ("reject", "reject_image", "repair")]
        if rejecting:
            if rejecting[0] in rules.repaired(bits):  # by dropping it
                before = {side: row[side] for side in SIDES}
                yield self.of(row, rejecting[0], "repair", got(row, rejecting[0]), before=_json(before))
                return
            names = [one.name for one in rejecting[1:]]
            also = f" (also breaks {', '.join(names)})" if names else ""
            yield self.of(row, rejecting[0], f"reject {SUBJECTS[rejecting[0].on]}", got(row, rejecting[0]) + also)
            return
        for rule in rules.repaired(bits):
            before, after = row["repairs"][rule.name]
            was = {**row, **before}
            yield self.of(was, rule, "repair", got(was, rule), before=_json(before), after=_json(after))
        for rule in broken:
            yield self.of(row, rule, rule.action, got(row, rule))

    def with_image(self, row: Row, rule: RuleInUse, said: str) -> Finding:
        """Of an annotation that goes with its image."""
        return self.of(row, rule, "reject annotation", said, subject="annotation", key=row["annotation_key"])

    def of_gate(self, passed: Passed) -> Finding:
        """A gate is a rule about the batch, without a suite of its own."""
        severity = "error" if passed.gate.action == "stop" else "warning"
        return {
            "subject": "batch", "key": "all", "rule": passed.gate.name, "action": passed.gate.action, "owner": self.owner,
            "got": passed.got, "expected": passed.expected, "severity": severity,
        }  # fmt: skip


def got(row: Row, rule: RuleInUse) -> str:
    """What the row has, in words."""
    if rule.expect:
        return ", ".join(f"{key} {row.get(key)}" for key in stock_columns(rule)) or "not as expected"
    return CHECKS[rule.name].got(row)


def tables_of(findings: Iterable[Finding]) -> Iterator[pa.Table]:
    """The same, in parts: there may be one of every image."""
    waiting = iter(findings)
    while some := list(islice(waiting, AT_ONCE)):
        yield table_of(some)


def table_of(findings: Iterable[Finding]) -> pa.Table:
    rows = list(findings)
    return table_of_columns(([row.get(name) for row in rows] for name in FINDINGS.names), FINDINGS)


def _text(value: object) -> str | None:
    """Null in a frame may be None or NaN."""
    return value if isinstance(value, str) else None


def _json(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(values, sort_keys=True)
