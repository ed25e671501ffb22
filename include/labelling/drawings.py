"""Drawings of any service as `Shape` keeps them: kind, box in pixels, geometry. Raise ValueError or TypeError for no numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from include.labelling.items import NAN, Kind, enclosing, geometry

Box = tuple[float, float, float, float]
Drawing = tuple[Kind, Box, str | None]  # kind, box_px, geometry
Points = list[list[float]]

NO_BOX: Box = (NAN, NAN, NAN, NAN)
UNREADABLE: Drawing = ("other", NO_BOX, None)  # its JSON is kept
UNREADABLE_ERRORS = (KeyError, TypeError, ValueError, IndexError, AttributeError)  # of JSON that is not as documented


def box(left: Any, top: Any, width: Any, height: Any) -> Drawing:
    return "box", (float(left), float(top), float(width), float(height)), None


def box_between(xs: Iterable[Any], ys: Iterable[Any]) -> Drawing:
    """Of corners in any order."""
    return "box", enclosing([[float(x), float(y)] for x, y in zip(xs, ys, strict=True)]), None


def tag() -> Drawing:
    return "tag", NO_BOX, None


def rotated_box(middle_x: Any, middle_y: Any, width: Any, height: Any, angle_deg: Any) -> Drawing:
    """The box is what encloses it; its four corners are the ring, `size_px` its sides before it was turned clockwise."""
    x, y, w, h, turn = float(middle_x), float(middle_y), float(width), float(height), math.radians(float(angle_deg))
    corners = [
        [x + dx * math.cos(turn) - dy * math.sin(turn), y + dx * math.sin(turn) + dy * math.cos(turn)]
        for dx, dy in ((-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2))
    ]
    return "rotated_box", enclosing(corners), geometry(rings=[corners], angle_deg=float(angle_deg), size_px=[w, h])


def rotated_corners(corners: Points) -> Drawing:
    return "rotated_box", enclosing(corners), geometry(rings=[corners])


def polygon(parts: Sequence[Sequence[Points]]) -> Drawing:
    """`parts`: each an outline and its holes; a first point repeated at the end of a ring is left out."""
    rings = [[_open(ring) for ring in part] for part in parts if part and part[0]]
    if not rings:
        raise ValueError("a polygon without points")
    box_px = enclosing([point for part in rings for point in part[0]])
    return "polygon", box_px, geometry(rings=rings[0]) if len(rings) == 1 else geometry(parts=rings)


def polyline(lines: Sequence[Points]) -> Drawing:
    points = [point for line in lines for point in line]
    return "polyline", enclosing(points), geometry(points=lines[0]) if len(lines) == 1 else geometry(lines=lines)


def points(found: Points, kind: Kind = "points", **more: Any) -> Drawing:
    return kind, enclosing(found), geometry(points=found, **more)


def ellipse(middle_x: Any, middle_y: Any, radius_x: Any, radius_y: Any, angle_deg: Any = 0) -> Drawing:
    """The box is what encloses it, turned or not."""
    x, y, a, b, turn = float(middle_x), float(middle_y), float(radius_x), float(radius_y), math.radians(float(angle_deg))
    half_w = math.hypot(a * math.cos(turn), b * math.sin(turn))
    half_h = math.hypot(a * math.sin(turn), b * math.cos(turn))
    said = geometry(center=[x, y], radii_px=[a, b], angle_deg=float(angle_deg))
    return "ellipse", (x - half_w, y - half_h, 2 * half_w, 2 * half_h), said


def xy(points: Iterable[Mapping[str, Any]]) -> Points:
    """Of [{"x": 1, "y": 2}, …]."""
    return [[float(point["x"]), float(point["y"])] for point in points]


def pairs(numbers: Sequence[Any]) -> Points:
    """Of [x, y, x, y, …]."""
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} numbers are no x, y pairs")
    return [[float(x), float(y)] for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


def to_json(value: Any) -> str:
    """As it came; the same for the same value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def attributes_json(said: Mapping[str, Any]) -> str | None:
    """JSON of what is said; None for nothing."""
    kept = {name: value for name, value in said.items() if value not in (None, "", [], {})}
    return to_json(kept) if kept else None


def _open(ring: Points) -> Points:
    return ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring
