"""Every decision on a model, in order: the promoters' meeting point, as an MLflow alias is last-write-wins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from include.artifacts import Promotion
from include.step.run import StepRun
from include.storage import Store


class History:
    """models/<model>/promotions/<n>.json: created only, never changed."""

    def __init__(self, store: Store, model: str) -> None:
        self.store, self.folder = store, f"models/{model}/promotions"

    def all(self) -> list[Promotion]:
        """Oldest first."""
        cards = [Promotion.load(self.store, entry.key) for entry in self.store.list(self.folder) if _is_number(entry.key)]
        return sorted(cards, key=lambda card: card.number)


def own(decisions: Sequence[Promotion], step: StepRun[Any]) -> Promotion | None:
    """What an earlier try of this very task, on the same inputs, decided before it was killed."""
    inputs = {name: tuple(cards) for name, cards in step.read_cards.items()}
    return next((card for card in decisions if step.made(card) and card.inputs == inputs), None)


def last_promoted(decisions: Sequence[Promotion]) -> Promotion | None:
    return next((card for card in reversed(decisions) if card.decision == "promoted"), None)


def _is_number(key: str) -> bool:
    return PurePosixPath(key).suffix == ".json" and PurePosixPath(key).stem.isdigit()
