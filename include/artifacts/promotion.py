"""The decision on a challenger, and why."""

from __future__ import annotations

from typing import ClassVar, Literal

from include.artifacts.base import Card


class Promotion(Card):
    """`champion_before` and `champion_after` are registry version numbers; equal when the champion was kept."""

    kind: ClassVar[str] = "promotion"

    model: str
    decision: Literal["promoted", "kept champion"]
    reasons: tuple[str, ...]
    challenger: str
    champion_before: str | None
    champion_after: str | None
    bundle: str
    ap50: float
    champion_ap50: float | None
