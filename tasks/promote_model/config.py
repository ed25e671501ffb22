"""The `promote_model` section of a model's definition: the gate."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Gate(BaseModel):
    """What a challenger must show. AP50 is in 0…1; differences are challenger minus champion on the same test images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_ap50: float = Field(default=0.0, ge=0, le=1, description="floor for every challenger, also for the first one")
    min_gain: float = Field(
        default=0.0, ge=-1, le=1, description="the mean paired difference must be more than this; 0: better on the whole"
    )
    max_ap50_loss: float = Field(
        default=0.02,
        ge=-1,
        le=1,
        description="how far below 0 the lower end of the paired interval (evaluate_model.confidence) may lie; "
        "0.02: with that confidence not noticeably worse; 0: better beyond chance, which small test splits can seldom show",
    )
    max_class_loss: float = Field(default=0.05, ge=0, le=1, description="the most AP50 that any class may lose")
