"""The kinds of `transform` that cut, scale or write pictures anew: their parameters, and what is done to each picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from include.versions.operations.edits import Edit, Shape, whole

Format = Literal["jpeg", "png", "webp"]
Plan = Sequence[Edit | None]  # of one image; None: the image itself, byte for byte


class Kind(BaseModel):
    """A kind's parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pictures(Kind):
    """Makes new pictures."""

    format: Format | Literal["same"] = Field("same", description="of new files; same: as the picture's (TIFF, BMP, …: png)")
    quality: int | None = Field(None, ge=1, le=100, description="of jpeg and webp; none: 95")

    def plan(self, image: Shape) -> Plan:
        raise NotImplementedError

    @property
    def least_visible(self) -> float:
        """Share of a box's area that must be left of it; any, where nothing is cut."""
        return 0.0

    def _one(self, image: Shape, edit: Edit) -> Plan:
        return [None] if self.format == "same" and edit == whole(image) else [edit]


class Tile(Pictures):
    """Squares of `size_px`, `overlap_px` shared by neighbours; the last of a row ends at the picture's edge and shares more."""

    kind: Literal["tile"]
    size_px: int = Field(ge=16, description="side of a tile; a smaller picture gives one tile of its own size")
    overlap_px: int = Field(0, ge=0, description="as large as the largest object, and each is whole in some tile")
    min_visible: float = Field(0.3, ge=0, le=1, description="share of a box's area in the tile, below which it is left out")
    drop_empty: bool = Field(False, description="leave out tiles without a box, in all splits")

    @model_validator(mode="after")
    def _goes_forward(self) -> Tile:
        if self.overlap_px >= self.size_px:
            raise ValueError(f"overlap_px {self.overlap_px} is not smaller than size_px {self.size_px}")
        return self

    @property
    def least_visible(self) -> float:
        return self.min_visible

    def plan(self, image: Shape) -> Plan:
        width, height = min(self.size_px, image.width_px), min(self.size_px, image.height_px)
        regions = [(x, y, width, height) for y in self._starts(image.height_px) for x in self._starts(image.width_px)]
        if len(regions) == 1:
            return self._one(image, whole(image))
        return [Edit(region, (width, height), tag=f".x{region[0]}y{region[1]}") for region in regions]

    def _starts(self, length_px: int) -> list[int]:
        last = max(0, length_px - self.size_px)
        return [*range(0, last, self.size_px - self.overlap_px), last]


class Resize(Pictures):
    """`max_side_px` only shrinks; `width_px` or `height_px` alone keeps the proportions; both together stretch."""

    kind: Literal["resize"]
    max_side_px: int | None = Field(None, ge=1)
    width_px: int | None = Field(None, ge=1)
    height_px: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one_way(self) -> Resize:
        if (self.max_side_px is None) == (self.width_px is None and self.height_px is None):
            raise ValueError("expected max_side_px, or width_px and/or height_px")
        return self

    def plan(self, image: Shape) -> Plan:
        width, height = image.width_px, image.height_px
        if self.max_side_px is not None:
            scale = min(1.0, self.max_side_px / max(width, height))
        else:
            scale = (self.width_px or 0) / width if self.width_px else (self.height_px or 0) / height
        size = (self.width_px or max(1, round(width * scale)), self.height_px or max(1, round(height * scale)))
        return self._one(image, replace(whole(image), size=size))


class Crop(Pictures):
    """One region of every picture; what lies outside a picture is left away."""

    kind: Literal["crop"]
    unit: Literal["px", "share"] = Field("px", description="share: 0 … 1 of width and height")
    left: float = Field(0, ge=0)
    top: float = Field(0, ge=0)
    width: float = Field(gt=0)
    height: float = Field(gt=0)
    min_visible: float = Field(0.3, ge=0, le=1, description="share of a box's area in the region, below which it is left out")

    @property
    def least_visible(self) -> float:
        return self.min_visible

    def plan(self, image: Shape) -> Plan:
        across, down = (image.width_px, image.height_px) if self.unit == "share" else (1, 1)
        left, top = round(self.left * across), round(self.top * down)
        right = min(image.width_px, round((self.left + self.width) * across))
        bottom = min(image.height_px, round((self.top + self.height) * down))
        if right <= left or bottom <= top:
            return []
        return self._one(image, Edit((left, top, right - left, bottom - top), (right - left, bottom - top)))


class Reencode(Pictures):
    """The same pixels in another file format. Without `quality`, files of the format stay as they are."""

    kind: Literal["reencode"]
    format: Format = Field(description="of new files")

    def plan(self, image: Shape) -> Plan:
        return [whole(image)]
