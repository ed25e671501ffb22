"""Labels after validation: what may teach, and what was found: set aside, repaired or warned of, each by the rule it broke."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from include.artifacts.base import Card, Frozen, Md5


class LetThrough(Frozen):
    """A person let a stopped batch teach: who, and why."""

    person: str
    reason: str


class CheckedLabels(Card):
    """Accepted and rejected together are everything that the batch had. `supersedes`: as in the batch.

    `findings_table`: FINDINGS in include/artifacts/tables.py. `suites`: name@version of each that was asked, in order. The counts
    by rule are rows; a row counts once as rejected, by the first rule it broke, and by each rule that repaired it or warned.
    `stopped_by`: rules and gates that stopped the batch until a person let it through, as `let_through` says.
    """

    kind: ClassVar[str] = "checked_labels"

    source: str
    batch_id: str
    images_table: Md5
    annotations_table: Md5
    findings_table: Md5
    images_accepted: int
    images_rejected: int
    annotations_accepted: int
    annotations_rejected: int
    accepted_by_class: dict[str, int] = Field(default_factory=dict)
    rejected_by_rule: dict[str, int]
    repaired_by_rule: dict[str, int] = Field(default_factory=dict)
    warned_by_rule: dict[str, int] = Field(default_factory=dict)
    suites: tuple[str, ...] = ()
    stopped_by: tuple[str, ...] = ()
    let_through: LetThrough | None = None
    data_docs: str
    supersedes: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def standing_address(self) -> str:
        return f"labels/{self.source}/checked/{self.batch_id}.json"
