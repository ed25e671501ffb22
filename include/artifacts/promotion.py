"""The decision on a challenger, and why."""

from __future__ import annotations

from typing import ClassVar, Literal

from include.artifacts.base import Card


class Promotion(Card):
    """`champion_before` and `champion_after` are registry version numbers; equal when the champion was kept.

    Decisions on a model are numbered 1, 2, …; taking a number is create-only, so no two can be the next one.
    """

    kind: ClassVar[str] = "promotion"

    model: str
    number: int
    decision: Literal["promoted", "kept champion"]
    reasons: tuple[str, ...]
    challenger: str
    champion_before: str | None
    champion_after: str | None
    bundle: str
    ap50: float
    champion_ap50: float | None

    @property
    def standing_address(self) -> str:
        return f"models/{self.model}/promotions/{self.number}.json"
