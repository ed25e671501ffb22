"""What return_labels is told: the service, and which rules an annotator hears of."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ReturnLabels(BaseModel):
    """Section return_labels of include/sources/<name>.yaml; the DAG adds source, kind and service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    kind: str
    service: dict[str, Any]
    rules: tuple[str, ...] | None = Field(
        default=None, description="only what broke one of these rules is given back; null: all but what no annotator can mend"
    )
    actions: tuple[Literal["reject", "repair", "warn"], ...] = Field(
        default=("reject",),
        min_length=1,
        description="what is given back: what was set aside, what was repaired, what was warned of",
    )
