"""The `evaluate_model` section of a model's definition."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EvaluateConfig(BaseModel):
    """How challenger and champion are scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_score: float = Field(
        default=0.01, ge=0, lt=1, description="detections below this score are not looked at; low, so that the curves reach far"
    )
    confidence: float = Field(
        default=0.8,
        gt=0,
        lt=1,
        description="of the two-sided interval of the AP50 difference; 0.8: nine times in ten the truth lies above its lower end",
    )
    resamples: int = Field(default=1000, ge=100, le=100_000, description="bootstrap resamples of the test images")
    seed: int = Field(default=0, description="of the bootstrap: the same input gives the same interval")
    force_broken: bool = Field(default=False, description="score although an audit marked the dataset version as broken")
    pictures: int = Field(default=6, ge=0, le=50, description="test pictures shown in the report")
