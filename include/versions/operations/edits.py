"""What is done to one picture to get another: a region of it, scaled, then mirrored, turned, made brighter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Shape(NamedTuple):
    """An image as far as a plan needs it."""

    md5: str
    width_px: int
    height_px: int
    split: str


@dataclass(frozen=True)
class Edit:
    """In this order: the region (left, top, width, height px), scaled to `size` (width, height px), mirrored left to right,
    turned by 90° counter-clockwise so many times, brightness and contrast multiplied. `tag` goes into the new file's name.
    """

    region: tuple[int, int, int, int]
    size: tuple[int, int]
    mirror: bool = False
    quarter_turns: int = 0
    brightness: float = 1.0
    contrast: float = 1.0
    tag: str = ""

    @property
    def result_size(self) -> tuple[int, int]:
        """Width and height of the new picture, px."""
        return self.size if self.quarter_turns % 2 == 0 else (self.size[1], self.size[0])


def whole(image: Shape) -> Edit:
    """All of it, as it is."""
    return Edit((0, 0, image.width_px, image.height_px), (image.width_px, image.height_px))
