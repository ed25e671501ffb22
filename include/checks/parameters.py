"""What each rule can be told, with unit and default. A team's YAML (include/expectations/) changes the defaults by name."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Parameters(BaseModel):
    """Of a rule that has nothing to be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MaxMegapixels(Parameters):
    """How large a picture is opened."""

    max_image_megapixels: float = Field(default=150, gt=0, description="a larger image is not decoded: memory is bounded")


class Tags(Parameters):
    """Which attributes an image must have."""

    tags: tuple[str, ...] = Field(default=(), description="names of attributes, such as licence and consent; none: not asked")


class Shapes(Parameters):
    """Which shapes have a box that may teach."""

    shapes: tuple[str, ...] = Field(default=("box", "rotated_box", "polygon", "ellipse", "mask"), min_length=1)


class InsideImage(Parameters):
    """How far a box may stick out of its image."""

    edge_tolerance_px: float = Field(default=0.5, ge=0, description="tools round: such a box is kept as it is")
    min_kept_share: float = Field(
        default=0.5, gt=0, le=1, description="of the box's area; a repair that would cut off more is none: the box is rejected"
    )


class MinSide(Parameters):
    """How small a box may be."""

    min_side_px: float = Field(default=1, ge=0, description="a box with a shorter side is a slip of the mouse")


class AspectRatio(Parameters):
    """How long and thin a box may be."""

    max_ratio: float = Field(default=20, ge=1, description="longer side through shorter side")


class Classes(Parameters):
    """Which classes are known. Where none are named, the source's."""

    classes: tuple[str, ...] = Field(default=(), description="as labelled; none: those of the source's definition")


class Attributes(Parameters):
    """What may be said of an annotation."""

    values: dict[str, tuple[str | int | float | bool, ...]] = Field(
        default={}, description="attribute → its values; no values: any. No attributes: not asked"
    )


class DuplicateIou(Parameters):
    """When two boxes are one."""

    max_duplicate_iou: float = Field(default=0.95, gt=0, le=1, description="boxes of one class that overlap by more are one")


class PolygonBox(Parameters):
    """How far a box and the polygon that it encloses may differ."""

    min_iou: float = Field(default=0.8, gt=0, le=1, description="of the stated box with the box around the polygon")


class Area(Parameters):
    """How far a stated area may be from the drawing's."""

    tolerance: float = Field(default=0.1, ge=0, description="share of the drawn area; tools round and fill differently")


class Guidelines(Parameters):
    """Which versions of the labelling guideline are valid."""

    versions: tuple[str, ...] = Field(default=(), description="none: not asked")


class ClassBalance(Parameters):
    """How far the shares of the classes may shift."""

    max_psi: float = Field(default=0.25, gt=0, description="population stability index; 0.1 is a shift, 0.25 a large one")
    min_boxes: int = Field(default=200, ge=1, description="in either batch: with fewer, shares jump by chance")


class Counts(Parameters):
    """How far boxes per image may change."""

    max_ratio: float = Field(default=3, gt=1, description="of the means of boxes per image, either way")
    min_images: int = Field(default=30, ge=1, description="in either batch")


class Outliers(Parameters):
    """Who draws unlike the others."""

    max_z: float = Field(default=5, gt=0, description="robust z: distance from the median in 1.4826 × median distances")
    min_boxes: int = Field(default=50, ge=1, description="who drew fewer is not judged")
    min_others: int = Field(default=4, ge=2, description="with fewer others there is no usual")


class Stock(Parameters):
    """Of an expectation that Great Expectations has: its own arguments."""

    model_config = ConfigDict(frozen=True, extra="allow")
