"""Where labels come from: include/sources/<name>.yaml → DAG labels__<name>."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from include.definitions.base import Definition, Section


class SourceDefinition(Definition):
    """A bucket prefix into which COCO deliveries are put: `<prefix>/<delivery>/annotations.json` (last) and its images."""

    noun: ClassVar[str] = "source"

    kind: Literal["coco"]
    prefix: str = Field(description="key prefix below the store, e.g. inbox/trees")
    poll_every_s: float = Field(default=60, gt=0)
    sweep: str = Field(default="30 1 * * *", description="cron: list the source even if no event came")
    ingest_labels: Section = Field(default_factory=dict)
    validate_annotations: Section = Field(default_factory=dict)
