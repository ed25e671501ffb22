"""The kinds of `transform`, and the parameters of those that only change labels.

No pandas here: Airflow makes its form from these models while it parses.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from include.versions.operations.augmenting import Augment
from include.versions.operations.cutting import Crop, Kind, Reencode, Resize, Tile


class Reclassify(Kind):
    """Other names for classes; null drops the boxes of a class. A class that is not named keeps its name."""

    kind: Literal["reclassify"]
    map: dict[str, str | None] = Field(min_length=1, description="old name → new name, or null")
    classes: tuple[str, ...] | None = Field(None, description="of the result, in order; none: in the order of the old ones")


class DropSmall(Kind):
    """Leave out boxes that are too small to be learned. Crowd boxes stay: they stand for what must not be counted."""

    kind: Literal["drop_small"]
    min_side_px: float | None = Field(None, gt=0, description="of the shorter side")
    min_area_px2: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _asks_something(self) -> DropSmall:
        if self.min_side_px is None and self.min_area_px2 is None:
            raise ValueError("expected min_side_px and/or min_area_px2")
        return self


How = Annotated[Tile | Resize | Crop | Reencode | Augment | Reclassify | DropSmall, Field(discriminator="kind")]
KINDS: tuple[type[Kind], ...] = (Tile, Resize, Crop, Reencode, Augment, Reclassify, DropSmall)
