"""Labels as they came: every delivery a batch took in, normalised into two tables, nothing dropped."""

from __future__ import annotations

from typing import ClassVar

from include.artifacts.base import Card, Frozen, Md5


class Delivery(Frozen):
    """One annotation file and its images, as found at the source. `refused` says why nothing of it could be read."""

    item: str
    etag: str
    original: Md5 | None
    images: int = 0
    annotations: int = 0
    refused: str | None = None


class LabelBatch(Card):
    """The tables are Parquet, by md5; their columns are listed in include/artifacts/tables.py."""

    kind: ClassVar[str] = "label_batch"

    source: str
    batch_id: str
    deliveries: tuple[Delivery, ...]
    images_table: Md5
    annotations_table: Md5
    images: int
    annotations: int

    @property
    def standing_address(self) -> str:
        return f"labels/{self.source}/batches/{self.batch_id}.json"
