"""A suspect as a picture: the part of the image around it, with the given box, the champion's, and the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from include.drawing import Outline, drawn

COLOURS = {"given": "#ffd500", "champion": "#2dd4ff", "others": "#ffffff"}  # apart for colour-blind eyes too
AROUND = 1.5  # times the box's sides that are shown on each side of it
LEAST_PX = 160
Box = Sequence[float]


def outlines(row: Mapping[str, Any], others: Sequence[Box]) -> list[Outline]:
    """`row`: of SUSPECTS. `others`: the other boxes that people gave in this image."""
    found = [Outline(box, COLOURS["others"], is_dashed=True) for box in others]
    given, likely = (box_of(row, whose) for whose in ("given", "likely"))
    found += [Outline(given, COLOURS["given"])] if given else []
    return found + ([Outline(likely, COLOURS["champion"])] if likely else [])


def box_of(row: Mapping[str, Any], whose: str) -> tuple[float, float, float, float] | None:
    """x y width height px of the `given` or the `likely` box; None where there is none."""
    if row[f"{whose}_x_px"] is None:
        return None
    x, y, width, height = (float(row[f"{whose}_{side}_px"]) for side in ("x", "y", "width", "height"))
    return x, y, width, height


def window_around(boxes: Sequence[Box], width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """x0 y0 x1 y1: a square-ish part of the image with the boxes in its middle."""
    x0, y0 = min(box[0] for box in boxes), min(box[1] for box in boxes)
    x1, y1 = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    half = max(LEAST_PX, (1 + 2 * AROUND) * max(x1 - x0, y1 - y0)) / 2
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    left, right = max(0, int(middle_x - half)), min(width_px, int(middle_x + half) + 1)
    top, bottom = max(0, int(middle_y - half)), min(height_px, int(middle_y + half) + 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def picture(image: bytes, row: Mapping[str, Any], others: Sequence[Box], size_px: tuple[int, int]) -> str:
    """A JPEG data URI. `size_px`: width and height of the image."""
    boxes = [box for whose in ("given", "likely") if (box := box_of(row, whose))]
    return drawn(image, outlines(row, others), longer_side_px=360, quality=78, window=window_around(boxes, *size_px))
