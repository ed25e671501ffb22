"""What encloses a shape that is not given by its corners: turned boxes, ellipses, masks. Pixels; angles clockwise in degrees."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Point = tuple[float, float]
BoxPx = tuple[float, float, float, float]


def corners(x: float, y: float, width: float, height: float, angle_deg: float, about: Point | None = None) -> list[Point]:
    """Of the box `x, y, width, height` turned about a point (None: its middle): what was top left, top right, bottom right, …"""
    about_x, about_y = about or (x + width / 2, y + height / 2)
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    flat = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    return [
        (about_x + (px - about_x) * cos - (py - about_y) * sin, about_y + (px - about_x) * sin + (py - about_y) * cos)
        for px, py in flat
    ]  # fmt: skip


def ellipse_box(x: float, y: float, radius_x: float, radius_y: float, angle_deg: float) -> BoxPx:
    """Around an ellipse with its middle at `x, y`, turned about it."""
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    half_width, half_height = math.hypot(radius_x * cos, radius_y * sin), math.hypot(radius_x * sin, radius_y * cos)
    return x - half_width, y - half_height, 2 * half_width, 2 * half_height


def mask_runs(mask: np.ndarray) -> tuple[BoxPx, list[int]]:
    """The box around what is set in a mask `(height, width)`, and the runs inside it.

    Runs go row by row: unset first, then set, and so on. Raises ValueError for an empty mask.
    """
    import numpy as np

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError("nothing is set in the mask")
    x0, x1, y0, y1 = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
    flat = mask[y0:y1, x0:x1].astype(bool).ravel()
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), len(flat)]
    runs = [end - start for start, end in itertools.pairwise(edges)]
    return (float(x0), float(y0), float(x1 - x0), float(y1 - y0)), [0, *runs] if flat[0] else runs
