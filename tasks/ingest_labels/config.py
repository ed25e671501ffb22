"""What ingest_labels is told: its source's name and place."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class IngestLabels(BaseModel):
    """The DAG fills all of it in from include/sources/<name>.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="the source's name; its ledger is labels/<source>/batches/")
    kind: Literal["coco"] = "coco"
    prefix: str = Field(
        pattern=r"[^/]",
        description="key prefix below the store; deliveries are the folders in it that hold an annotations.json",
    )
