"""What validate_annotations is told: which classes are known, and how strict to be about boxes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ValidateAnnotations(BaseModel):
    """Section validate_annotations of include/sources/<name>.yaml; the DAG adds source and owner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(description="the source's name: the batch must be of this source")
    owner: str = Field(description="who is asked to mend what is set aside")
    classes: dict[str, str] = Field(
        min_length=1, description="class name as labelled → class name in datasets; others are set aside"
    )
    shapes: tuple[str, ...] = Field(
        default=("box", "rotated_box", "polygon", "ellipse", "mask"),
        description="shapes that teach a detector, by the box that encloses them; others are kept in the batch and set aside",
    )
    min_side_px: float = Field(default=1, ge=0, description="pixels; a box with a shorter side is a slip of the mouse")
    edge_tolerance_px: float = Field(
        default=0.5, ge=0, description="pixels that a box may stick out of its image: tools round; such a box is kept as it is"
    )
    max_duplicate_iou: float = Field(
        default=0.95, gt=0, le=1, description="of two boxes of one class that overlap by more, the later is set aside"
    )
    max_image_megapixels: float = Field(default=150, gt=0, description="a larger image is not decoded: memory is bounded")
