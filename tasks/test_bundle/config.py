"""The `test_bundle` section of a model's definition."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ParityConfig(BaseModel):
    """How far detections may be from the reference: none on one machine, a little between processors and thread counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    box_tolerance_px: float = Field(default=0.5, ge=0, description="largest shift of a box's edge, pixels of the reference image")
    score_tolerance: float = Field(
        default=1e-3, ge=0, description="largest change of a score; float32 sums differ in their order"
    )
