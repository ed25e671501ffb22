"""Rejected labels given back to who drew them: what was said of which item, and what the service did."""

from __future__ import annotations

from typing import ClassVar

from include.artifacts.base import Card, Frozen


class Returned(Frozen):
    """One item. `answer`: what was done there, in a few words."""

    item: str
    objections: int
    answer: str


class LabelReturn(Card):
    """`left_out`: rejections that were not given back, by rule: the team's choice, or nothing that an annotator could mend."""

    kind: ClassVar[str] = "label_return"

    source: str
    batch_id: str
    returned: tuple[Returned, ...]
    left_out: dict[str, int]
    report: str

    @property
    def standing_address(self) -> str:
        return f"labels/{self.source}/returned/{self.batch_id}.json"
