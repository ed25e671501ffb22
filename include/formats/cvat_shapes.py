"""Shapes of CVAT's XML that are no upright boxes: points are "x,y;x,y;…" px, rotation is clockwise about the middle, in degrees.

A mask's `rle` are run lengths, row by row in the box `left, top, width, height`, background first. A cuboid is two drawn
rectangles: corners xtl1, ytl1, … of the edges nearest and further away.
"""

from __future__ import annotations

import math

from include.formats.records import Box, Labels, Plain, from_text, packed, unread
from include.formats.safe_xml import Element, as_text
from include.labelling.items import NAN, Kind, enclosing, geometry

Drawn = tuple[Kind, tuple[float, float, float, float], str | None]  # kind, enclosing box px, geometry
SHAPES = ("polygon", "polyline", "points", "mask", "cuboid", "ellipse", "skeleton", "tag")
CUBOID = [f"{side}{edge}" for edge in (1, 2) for side in ("tl", "tr", "br", "bl")]


def shape_of(where: str, element: Element, labels: Labels) -> Box:
    """Unread, and a problem, for what cannot be read."""
    label = element.get("label") or ""
    try:
        kind, box, drawn = _drawn(element)
    except (ValueError, TypeError, OverflowError):
        labels.problems.add(where, "no such numbers", "the shape's points, or its sides")
        return unread(as_text(element), label)
    if not label:
        labels.problems.add(where, "no label", "the class")
        return unread(as_text(element), box_px=box)
    return Box(label, *box, attributes=packed(stated_of(element)), kind=kind, geometry=drawn)


def stated_of(element: Element) -> dict[str, Plain]:
    """The attributes; `occluded` and `outside` where they hold."""
    stated = {one.get("name") or "": from_text(one.text or "") for one in element.findall("attribute")}
    return stated | {name: True for name in ("occluded", "outside") if element.get(name) == "1"}


def _drawn(element: Element) -> Drawn:
    """Raises ValueError or TypeError."""
    match element.tag:
        case "polygon":
            points = _points(element)
            return "polygon", enclosing(points), geometry(rings=[points])
        case "polyline" | "points" as kind:
            points = _points(element)
            return kind, enclosing(points), geometry(points=points)
        case "mask":
            left, top, width, height = _numbers(element, "left", "top", "width", "height")
            runs = [int(run) for run in (element.get("rle") or "").split(",")]
            if sum(runs) != width * height:
                raise ValueError("run lengths")
            return "mask", (left, top, width, height), geometry(rle={"counts": runs, "order": "rows of the box"})
        case "ellipse":
            return _ellipse(element)
        case "cuboid":
            corners = [list(_numbers(element, f"x{corner}", f"y{corner}")) for corner in CUBOID]
            return "cuboid", enclosing(corners), geometry(rings=[corners[:4], corners[4:]])
        case "skeleton":
            joints = {one.get("label") or str(n): _points(one)[0] for n, one in enumerate(element.findall("points"), 1)}
            hidden = [one.get("label") for one in element.findall("points") if one.get("outside") == "1"]
            return (
                "skeleton",
                enclosing(list(joints.values())),
                geometry(points=[*joints.values()], names=[*joints], outside=hidden),
            )
    return "tag", (NAN, NAN, NAN, NAN), None


def _ellipse(element: Element) -> Drawn:
    """The box around it upright; half axes rx, ry."""
    cx, cy, rx, ry = _numbers(element, "cx", "cy", "rx", "ry")
    turned = _finite(element.get("rotation") or "0") % 360
    return "ellipse", (cx - rx, cy - ry, 2 * rx, 2 * ry), geometry(center=[cx, cy], radii=[rx, ry], angle_deg=turned)


def _points(element: Element) -> list[list[float]]:
    points = [[_finite(one) for one in point.split(",")] for point in (element.get("points") or "").split(";")]
    if any(len(point) != 2 for point in points):
        raise ValueError("points")
    return points


def _numbers(element: Element, *names: str) -> tuple[float, ...]:
    return tuple(_finite(element.get(name) or "") for name in names)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
