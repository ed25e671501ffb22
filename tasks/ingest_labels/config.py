"""What ingest_labels is told: its source's name, kind and place, and how carefully to look."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from include.definitions.source import SourceKind
from include.labelling.connector import settings_of
from tasks.ingest_labels.conflicts import ConflictRule


class IngestLabels(BaseModel):
    """The DAG fills in source, kind and place; the rest is the section ingest_labels of include/sources/<name>.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="the source's name; its ledger is labels/<source>/")
    kind: SourceKind = "coco"
    prefix: str | None = Field(default=None, pattern=r"[^/]", description="of files: key prefix below the store")
    service: dict[str, Any] | None = Field(
        default=None, description="of a service: its address and project, and what is finished"
    )
    overlap_s: float = Field(
        default=600, ge=0, description="seconds before the newest change known that are listed again: services list late"
    )
    list_all_every_h: float = Field(
        default=20, gt=0, description="hours after which everything is listed, and deletions are looked for: less than a day"
    )
    deleted: str = Field(
        default="withdraw", pattern="^(withdraw|keep)$",
        description="labels of items that were deleted at the service: withdrawn from the next dataset version, or kept",
    )  # fmt: skip
    max_share_deleted: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="if more of the items taken in are gone at once, it is an error: nothing is withdrawn",
    )
    conflicts: ConflictRule = Field(
        default="majority",
        description="whose label stands where several people labelled a picture: see tasks/ingest_labels/conflicts.py",
    )
    same_object_iou: float = Field(
        default=0.5, gt=0, le=1, description="boxes of two people that overlap by so much (IoU) or more are the same object"
    )
    labelled_apart: bool = Field(
        default=False,
        description="where the source does not say how several people labelled a picture: true, each all of it, so what one did "
        "not draw he says is not there; false, they may have shared it",
    )
    parallel: int = Field(default=8, ge=1, le=32, description="items and images that are fetched at once")

    @model_validator(mode="after")
    def _has_its_place(self) -> Self:
        if self.service is not None:
            settings_of(self.kind, self.service)
        elif self.prefix is None:
            raise ValueError("expected a prefix (files) or a service")
        return self
