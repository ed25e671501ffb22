"""Is the packed model still the trained one?"""

from __future__ import annotations

from typing import ClassVar

from include.artifacts.base import Card, Frozen


class Check(Frozen):
    """One comparison of before and after."""

    name: str
    passed: bool
    got: str
    expected: str


class ParityReport(Card):
    """Every comparison that was made."""

    kind: ClassVar[str] = "parity_report"

    model: str
    bundle: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)
