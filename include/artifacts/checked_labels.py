"""Labels after validation: what may teach, and what was set aside with the rule it broke."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from include.artifacts.base import Card, Md5


class CheckedLabels(Card):
    """Accepted and rejected together are everything that the batch had. `supersedes`: as in the batch."""

    kind: ClassVar[str] = "checked_labels"

    source: str
    batch_id: str
    images_table: Md5
    annotations_table: Md5
    rejected_table: Md5
    images_accepted: int
    images_rejected: int
    annotations_accepted: int
    annotations_rejected: int
    rejected_by_rule: dict[str, int]
    data_docs: str
    supersedes: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def standing_address(self) -> str:
        return f"labels/{self.source}/checked/{self.batch_id}.json"
