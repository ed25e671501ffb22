"""What labelling tools write into VOC's XML beside boxes: polygons, rotated boxes, and parts with a box of their own."""

from __future__ import annotations

import math

from include.formats.records import Box, packed
from include.formats.safe_xml import Element
from include.labelling.items import Kind, enclosing, geometry

Drawn = tuple[Kind, tuple[float, float, float, float], str]  # kind, enclosing box px, geometry


def drawn_of(one: Element) -> Drawn | None:
    """The shape that is more than the object's box; None where there is none that can be read."""
    try:
        if (polygon := one.find("polygon")) is not None:
            points = _points(polygon)
            return "polygon", enclosing(points), geometry(rings=[points])
        if (turned := one.find("robndbox")) is not None:
            cx, cy, w, h, angle = (_number(turned, name) for name in ("cx", "cy", "w", "h", "angle"))
            corners = _turned(cx, cy, w, h, angle)
            return "rotated_box", enclosing(corners), geometry(rings=[corners])
    except ValueError:
        return None
    return None


def parts_of(root: Element) -> tuple[Box, ...]:
    """Those with a box that can be read, as boxes of their own that say what they are a part of."""
    return tuple(
        box for one in root.findall("object") for part in one.findall("part")
        if (box := _part(part, one.findtext("name") or "")) is not None
    )  # fmt: skip


def _part(part: Element, whole: str) -> Box | None:
    try:
        x0, y0, x1, y1 = (_number(part, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError:
        return None
    name = part.findtext("name") or ""
    return Box(name, x0 - 1, y0 - 1, x1 - x0 + 1, y1 - y0 + 1, attributes=packed({"part_of": whole}))


def _turned(cx: float, cy: float, w: float, h: float, angle: float) -> list[list[float]]:
    """Corners of a box turned clockwise about its middle, to a thousandth of a pixel. `angle` in radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    halves = ((-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2))
    return [[round(cx + x * cos - y * sin, 3), round(cy + x * sin + y * cos, 3)] for x, y in halves]


def _points(polygon: Element) -> list[list[float]]:
    """Raises ValueError for fewer than three."""
    found = [[_number(point, "x"), _number(point, "y")] for point in polygon.findall("pt")]
    if not found:
        count = sum(one.tag[:1] == "x" for one in polygon)
        found = [[_number(polygon, f"x{n}"), _number(polygon, f"y{n}")] for n in range(1, count + 1)]
    if len(found) < 3:
        raise ValueError("fewer than three corners")
    return found


def _number(element: Element, name: str) -> float:
    number = float(element.findtext(name) or "")
    if not math.isfinite(number):
        raise ValueError(name)
    return number
