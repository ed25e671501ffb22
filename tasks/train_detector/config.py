"""The train_detector section of a model's definition."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from include.detector.augment import Augmentation


class TrainDetectorConfig(BaseModel):
    """What is trained, how long, how fast. The defaults suit the small detector on a CPU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(description="name of the model; the DAG fills it in from the definition's file name")
    family: Literal["centerpoint", "rt_detr_v2"] = Field(
        default="centerpoint", description="centerpoint: small, for CPUs; rt_detr_v2: for GPUs"
    )
    image_px: int = Field(default=256, ge=32, multiple_of=32, description="side of the square that pictures are fitted into")
    detector: dict[str, Any] = Field(default_factory=dict, description="further settings of the family (include/detector/)")
    epochs: int = Field(default=40, ge=1, description="times that each training picture is seen")
    batch_size: int = Field(default=8, ge=1, description="pictures per step; less if the GPU's memory does not suffice")
    learning_rate: float = Field(default=2e-3, gt=0, description="of AdamW at its peak, after the warm-up")
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of all steps in which the learning rate rises from 0")
    weight_decay: float = Field(default=0.05, ge=0, description="of AdamW, on matrices only: not on norms and biases")
    clip_norm: float = Field(default=10.0, gt=0, description="gradients are scaled down to this length: rare jumps do no harm")
    ema: float = Field(default=0.99, ge=0, lt=1, description="decay of the averaged weights, per step; 0: no averaging")
    augmentation: Augmentation = Field(default_factory=Augmentation)
    seed: int = Field(default=0, ge=0, description="of weights, order and augmentation: equal seeds, equal weights (CPU)")
    warm_start: Literal["champion", "none"] = Field(default="champion", description="start from its weights, if they fit")
    loader_workers: int = Field(default=0, ge=0, description="processes that load pictures; 0 for 2 cores, 4 to 8 with a GPU")
    save_every_s: float = Field(default=30, ge=0, description="a killed training loses at most this much work, or one epoch")
    log_every_s: float = Field(default=15, gt=0, description="seconds between lines of the log")

    force_broken: bool = Field(default=False, description="train although an audit marked the dataset version as broken")

    @property
    def detector_config(self) -> dict[str, Any]:
        """What build_detector takes."""
        return {"family": self.family, "image_px": self.image_px, **self.detector}
