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
    no more.
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
    listed_until: datetime | None = None
    swept_at: datetime | None = None

    @property
    def standing_address(self) -> str:
        return f"labels/{self.source}/batches/{self.batch_id}.json"
