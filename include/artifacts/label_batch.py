"""Labels as they came: every delivery a batch took in, normalised into two tables, nothing dropped."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from include.artifacts.base import Card, Frozen, Md5


class Delivery(Frozen):
    """One finished piece of labelling work, as found at the source: a delivered file and its images, a job, a task.

    `original`: what came; of a service, the answers of the whole batch, a gzipped JSON line each ({"item", "answer"}). `refused`
    says why nothing of it could be read, `problems` what could not. `is_gone`: it was deleted at the source, and its labels stand
    no more. `sender`, `sent_at`: of a delivered archive, as the note beside it says.
    """

    item: str
    name: str
    revision: str
    state: str
    updated_at: datetime | None = None
    original: Md5 | None = None
    images: int = 0
    annotations: int = 0
    refused: str | None = None
    problems: tuple[str, ...] = ()
    is_gone: bool = False
    sender: str | None = None
    sent_at: str | None = None


class Agreed(Frozen):
    """How alike people labelled: all of them, of one class, or one person beside the others. None where nothing can be said.

    `boxes`: drawn by the people compared. `matched`: pairs of boxes of two people that are the same object. `found`: share of the
    boxes that the other person drew too (F1), where it is known that each labelled the whole picture. `mean_iou`: of the matched
    boxes. `kappa` (Cohen's, mean over the pairs of people) and `alpha` (Krippendorff's, nominal): whether the class is the same
    where they drew the same object, beyond chance: 1 always, 0 as by chance. None where there is but one class.
    """

    boxes: int
    matched: int
    found: float | None = None
    mean_iou: float | None = None
    kappa: float | None = None
    alpha: float | None = None


class Agreement(Frozen):
    """Of the pictures that two or more people labelled. `rule`: `ingest_labels.conflicts` of the source.

    `objects`: how many things were drawn, by one or by several. `set_aside`: annotations that do not stand, by why; the column
    `conflict` says it of each.
    """

    rule: str
    images: int
    objects: int
    overall: Agreed
    by_class: dict[str, Agreed]
    by_person: dict[str, Agreed]
    set_aside: dict[str, int]


class LabelBatch(Card):
    """The tables are Parquet, by md5; their columns are listed in include/artifacts/tables.py.

    `supersedes`: names of deliveries by the id of the earlier batch that has them in an older state, or has what is gone.
    `listed_until`: by the clock of the source; later sweeps need not look further back. `swept_at`: when all was listed, by ours.
    """

    kind: ClassVar[str] = "label_batch"

    source: str
    batch_id: str
    deliveries: tuple[Delivery, ...]
    images_table: Md5
    annotations_table: Md5
    images: int
    annotations: int
    supersedes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    agreement: Agreement | None = None  # None: no picture was labelled by several people
    listed_until: datetime | None = None
    swept_at: datetime | None = None

    @property
    def standing_address(self) -> str:
        return f"labels/{self.source}/batches/{self.batch_id}.json"
