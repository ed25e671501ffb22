"""Annotations of Datumaro's JSON: flat lists `points` [x, y, x, y, …] px, a box as x, y, width, height.

A mask's `rle` is COCO's: run lengths down the columns, background first, packed into text. CVAT says in the attribute `rotation`
by how many degrees a box is turned about its middle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

from include.formats.records import Plain
from include.labelling.items import NAN, Kind, enclosing, geometry

Box = tuple[float, float, float, float]
Drawn = tuple[Kind, Box, str | None, dict[str, Plain]]  # kind, box px, geometry, what else becomes an attribute
NO_BOX = (NAN, NAN, NAN, NAN)


def shape_of(one: dict[str, Any]) -> Drawn:
    """A type that is not known is kept as `other`. Raises KeyError, TypeError, ValueError or IndexError if it cannot be read."""
    return READERS.get(one["type"], _other)(one)


def _bbox(one: dict[str, Any]) -> Drawn:
    x, y, width, height = map(float, one["bbox"])
    turned = float((one.get("attributes") or {}).get("rotation") or 0) % 360
    if turned:
        return "rotated_box", (x, y, width, height), geometry(angle_deg=turned), {}
    return "box", (x, y, width, height), None, {}


def _rotated_bbox(one: dict[str, Any]) -> Drawn:
    cx, cy, width, height, angle_deg = map(float, one["rbox"])
    return "rotated_box", (cx - width / 2, cy - height / 2, width, height), geometry(angle_deg=angle_deg % 360), {}


def _label(one: dict[str, Any]) -> Drawn:
    return "tag", NO_BOX, None, {}


def _caption(one: dict[str, Any]) -> Drawn:
    return "tag", NO_BOX, None, {"caption": str(one["caption"])}


def _polygon(one: dict[str, Any]) -> Drawn:
    points = _points(one["points"])
    return "polygon", enclosing(points), geometry(rings=[points]), {}


def _polyline(one: dict[str, Any]) -> Drawn:
    points = _points(one["points"])
    return "polyline", enclosing(points), geometry(points=points), {}


def _dots(one: dict[str, Any]) -> Drawn:
    points = _points(one["points"])
    seen = {"visibility": list(map(int, one["visibility"]))} if one.get("visibility") else {}
    return "points", enclosing(points), geometry(points=points, **seen), {}


def _ellipse(one: dict[str, Any]) -> Drawn:
    x0, y0, x1, y1 = map(float, one["points"])
    center, radii = [(x0 + x1) / 2, (y0 + y1) / 2], [(x1 - x0) / 2, (y1 - y0) / 2]
    return "ellipse", (x0, y0, x1 - x0, y1 - y0), geometry(center=center, radii=radii, angle_deg=0), {}


def _cuboid_2d(one: dict[str, Any]) -> Drawn:
    corners = [[float(x), float(y)] for x, y in one["points"]]
    return "cuboid", enclosing(corners), geometry(points=corners), {}


def _mask(one: dict[str, Any]) -> Drawn:
    height, width = map(int, one["rle"]["size"])
    counts = one["rle"]["counts"]
    runs = unpacked_runs(counts) if isinstance(counts, str) else list(map(int, counts))
    if sum(runs) != height * width:
        raise ValueError(f"run lengths of {sum(runs)} pixels for {width} × {height}")
    return "mask", box_of_runs(runs, height), geometry(rle={"counts": counts, "size": [height, width]}), {}


def _other(one: dict[str, Any]) -> Drawn:
    said = {key: value for key, value in one.items() if key not in ("id", "type", "attributes", "label_id", "group", "z_order")}
    return "other", NO_BOX, geometry(type=one["type"], **said), {}


READERS: dict[str, Callable[[dict[str, Any]], Drawn]] = {
    "bbox": _bbox, "rotated_bbox": _rotated_bbox, "label": _label, "caption": _caption, "polygon": _polygon,
    "polyline": _polyline, "points": _dots, "ellipse": _ellipse, "cuboid_2d": _cuboid_2d, "mask": _mask,
}  # fmt: skip


def _points(flat: list[Any]) -> list[list[float]]:
    if not flat or len(flat) % 2:
        raise ValueError(f"{len(flat)} numbers for points")
    if not all(map(math.isfinite, flat)):
        raise ValueError("points that are no numbers")
    return [[float(flat[at]), float(flat[at + 1])] for at in range(0, len(flat), 2)]


def unpacked_runs(text: str) -> list[int]:
    """Run lengths from COCO's text: six bits a character, lowest first, a sign at the end; from the third on, what to add to
    the one before the last (https://github.com/cocodataset/cocoapi, maskApi.c, rleFrString).
    """
    runs: list[int] = []
    value = shift = 0
    for code in text.encode("ascii"):
        bits = code - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if shift > 60:
            raise ValueError("a run length of more than 12 characters")
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return runs


def box_of_runs(runs: list[int], height: int) -> Box:
    """What encloses the foreground; NaN for none."""
    ends = list(accumulate(runs, initial=0))
    drawn = [(first, last - 1) for first, last in list(pairwise(ends))[1::2] if last > first]
    if not drawn:
        return NO_BOX
    left, right = drawn[0][0] // height, drawn[-1][1] // height
    rows = [(first % height, last % height) if first // height == last // height else (0, height - 1) for first, last in drawn]
    top, bottom = min(row[0] for row in rows), max(row[1] for row in rows)
    return float(left), float(top), float(right - left + 1), float(bottom - top + 1)
