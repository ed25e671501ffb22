"""The `pack_model` section of a model's definition."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PackConfig(BaseModel):
    """How the packed model serves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_score: float = Field(
        default=0.05, ge=0, le=1, description="detections below this score are not served; 0.05 leaves the choice to the client"
    )
    max_detections: int = Field(default=100, ge=1, le=1000, description="most boxes per picture; COCO metrics look at 100")
    timeout_s: int = Field(default=60, ge=1, description="a request that takes longer is answered with an error")
