"""The rules about polygons, by shapely over all of them at once.

Geometry is JSON (include/labelling/items.py). A polygon may be several, each with its holes; they are judged together. It is read
once, into a column `polygon` of shapely's, for all the rules that look at it.
"""

from __future__ import annotations

import re
from itertools import chain

import msgspec
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from include.checks import parameters as told
from include.checks.annotation_checks import SIDES
from include.checks.checks import Bools, Row, check, is_in
from include.labelling.items import polygons_of

Floats = NDArray[np.float64]
Objects = NDArray[np.object_]
AREA = re.compile(r'"area": ?(-?[0-9][0-9.eE+-]*)')
# stands for a polygon with a ring of fewer than three corners, which shapely has not. Great Expectations keeps it in its results,
# and can write a MultiPolygon as JSON, not any collection
TOO_SHORT = shapely.MultiPolygon()


class _Geometry(msgspec.Struct, gc=False):
    """As in include/labelling/items.py; what else it says is passed over."""

    flat: list[list[float]] | None = None
    parts: list[list[list[tuple[float, float]]]] | None = None
    rings: list[list[tuple[float, float]]] | None = None


_decode = msgspec.json.Decoder(_Geometry).decode


def _polygons_of(text: str) -> list[list[list[float]]]:
    """The polygons of a geometry, each its rings as x, y, x, y …"""
    try:
        drawn = _decode(text)
    except msgspec.DecodeError:  # NaN, Infinity, a number that is none: Python's own json reads them
        return [[list(chain.from_iterable(ring)) for ring in rings] for rings in polygons_of(text)]
    if drawn.flat is not None:
        return [[ring] for ring in drawn.flat]
    parts = drawn.parts or ([drawn.rings] if drawn.rings is not None else [])
    return [[list(chain.from_iterable(ring)) for ring in rings] for rings in parts]


def polygons(geometry: Objects) -> Objects:
    """A multipolygon for each JSON text; None for null, TOO_SHORT where a ring is no ring."""
    at = np.flatnonzero([one is not None for one in geometry])
    drawn = [_polygons_of(text) for text in geometry[at]]
    parts = list(chain.from_iterable(drawn))
    part_of = np.repeat(np.arange(len(at)), [len(one) for one in drawn]).astype(np.intp)
    rings = list(chain.from_iterable(parts))
    ring_of = np.repeat(np.arange(len(parts)), [len(one) for one in parts]).astype(np.intp)
    lengths = np.array([len(one) // 2 for one in rings], np.intp)
    is_long = lengths >= 3
    points = np.fromiter(chain.from_iterable(ring for ring in rings if len(ring) >= 6), np.float64).reshape(-1, 2)
    shapes = np.full(len(at), TOO_SHORT, dtype=object)
    if is_long.any():
        lines = shapely.linearrings(points, indices=np.repeat(np.arange(is_long.sum()), lengths[is_long]))
        used, ring_at = np.unique(ring_of[is_long], return_inverse=True)
        shapely.multipolygons(shapely.polygons(lines, indices=ring_at), indices=part_of[used], out=shapes)
    shapes[part_of[ring_of[~is_long]]] = TOO_SHORT
    made = np.full(len(geometry), None, dtype=object)
    made[at] = shapes
    return made


def _drawn(rows: pd.DataFrame) -> tuple[NDArray[np.intp], Objects]:
    """Positions of the rows that have a polygon, and the polygons."""
    shapes = rows["polygon"].to_numpy(dtype=object)
    at = np.flatnonzero(~shapely.is_missing(shapes))
    return at, shapes[at]


def _where(rows: pd.DataFrame, at: NDArray[np.intp], broken: Bools) -> Bools:
    found = np.zeros(len(rows), np.bool_)
    found[at[broken]] = True
    return found


@check("polygon_valid", "polygon", got=lambda row: _reason(row))
def polygon_valid(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    """Parts of one annotation may touch or overlap: each is judged by itself."""
    at, shapes = _drawn(rows)
    broken = shapely.is_empty(shapes)
    parts, part_of = shapely.get_parts(shapes, return_index=True)
    broken[part_of[~shapely.is_valid(parts)]] = True
    return _where(rows, at, broken)


def _one(row: Row) -> Objects:
    return polygons(np.array([row["geometry"]], dtype=object))


def _reason(row: Row) -> str:
    reasons = [one for one in shapely.is_valid_reason(shapely.get_parts(_one(row))) if one != "Valid Geometry"]
    return str(reasons[0]) if reasons else "a ring of fewer than three corners"


@check("box_matches_polygon", "polygon", *SIDES, got=lambda row: _both_boxes(row))
def box_matches_polygon(rows: pd.DataFrame, told: told.PolygonBox) -> Bools:
    at, shapes = _drawn(rows)
    boxes = rows[list(SIDES)].to_numpy()[at]
    around = shapely.bounds(shapes)  # NaN of TOO_SHORT, which another rule is about
    shared = np.minimum(boxes[:, :2] + boxes[:, 2:], around[:, 2:]) - np.maximum(boxes[:, :2], around[:, :2])
    overlap = shared.clip(min=0).prod(axis=1)
    union = boxes[:, 2:].prod(axis=1) + (around[:, 2:] - around[:, :2]).prod(axis=1) - overlap
    return _where(rows, at, overlap < told.min_iou * union)


def _both_boxes(row: Row) -> str:
    left, top, right, bottom = shapely.bounds(_one(row))[0]
    x, y, width, height = (row[side] for side in SIDES)
    return f"box x {x:g} to {x + width:g}, y {y:g} to {y + height:g}; polygon x {left:g} to {right:g}, y {top:g} to {bottom:g}"


@check("area_as_stated", "raw", "shape", "polygon", *SIDES, got=lambda row: _areas(row))
def area_as_stated(rows: pd.DataFrame, told: told.Area) -> Bools:
    """COCO's `area`: of the polygon where there is one, else of the box; not of a mask. Nothing stated breaks nothing."""
    stated = rows["raw"].str.extract(AREA, expand=False).astype(np.float64).to_numpy()
    drawn = rows["width_px"].to_numpy(np.float64) * rows["height_px"].to_numpy(np.float64)
    at, shapes = _drawn(rows)
    drawn[at] = shapely.area(shapes)
    drawn[is_in(rows["shape"], ("mask", "ellipse", "rotated_box"))] = np.nan
    return np.asarray(np.abs(stated - drawn) > told.tolerance * drawn)


def _areas(row: Row) -> str:
    found = AREA.search(row["raw"])
    drawn = shapely.area(_one(row))[0] if row["geometry"] and row["shape"] == "polygon" else row["width_px"] * row["height_px"]
    return f"area {found[1] if found else 'none'}; drawn are {drawn:g} px²"
