"""The `return_suspects` section of a model's definition."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from include.artifacts.label_review import ErrorKind


class ReturnSuspects(BaseModel):
    """Which suspects annotators hear of; the DAG adds source, kind and service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    kind: str
    service: dict[str, Any]
    most: int = Field(default=50, ge=1, le=10_000, description="the likeliest, at most; the person who approves may say another")
    min_score: float = Field(default=0.3, ge=0, lt=1, description="nobody is troubled with what is less likely wrong than this")
    kinds: tuple[ErrorKind, ...] = Field(
        default=("missing", "spurious", "swapped", "misplaced"), min_length=1, description="only these kinds of errors"
    )
