"""A batch that a rule or gate stopped: nothing of it teaches until it passes, or a person lets it through."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from include.artifacts.base import Card, Md5


class StoppedLabels(Card):
    """The last stop of a batch; history once its checked labels stand. Fields as in CheckedLabels."""

    kind: ClassVar[str] = "stopped_labels"

    source: str
    batch_id: str
    findings_table: Md5
    suites: tuple[str, ...]
    stopped_by: tuple[str, ...]
    data_docs: str
    supersedes: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def standing_address(self) -> str:
        return f"labels/{self.source}/stopped/{self.batch_id}.json"
