"""The rules about polygons, by shapely over all of them at once.

Geometry is JSON (include/labelling/items.py). A polygon may be several, each with its holes; they are judged together.
"""

from __future__ import annotations

import re
from itertools import chain

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from include.checks import parameters as told
from include.checks.annotation_checks import SIDES
from include.checks.checks import Bools, Row, check, is_in
from include.labelling.items import polygons_of

Floats = NDArray[np.float64]
AREA = re.compile(r'"area": ?(-?[0-9][0-9.eE+-]*)')


def polygons(rows: pd.DataFrame) -> tuple[NDArray[np.intp], NDArray[np.object_], Bools]:
    """Positions of the rows that are polygons, what is drawn there, and whether one has a ring of fewer than three corners."""
    at = np.flatnonzero(is_in(rows["shape"], ("polygon",)) & rows["geometry"].notna().to_numpy())
    drawn = [polygons_of(text) for text in rows["geometry"].to_numpy(dtype=object)[at]]
    parts = list(chain.from_iterable(drawn))
    part_of = np.repeat(np.arange(len(at)), [len(one) for one in drawn]).astype(np.intp)
    rings = list(chain.from_iterable(parts))
    ring_of = np.repeat(np.arange(len(parts)), [len(one) for one in parts]).astype(np.intp)
    lengths = np.array([len(one) for one in rings], np.intp)
    is_short = np.zeros(len(at), np.bool_)
    is_short[part_of[ring_of[lengths < 3]]] = True
    is_short |= np.bincount(part_of, minlength=len(at)) == 0
    whole = [ring for ring, length in zip(rings, lengths, strict=True) if length >= 3]
    points = np.array(list(chain.from_iterable(whole)), np.float64).reshape(-1, 2)
    lines = shapely.linearrings(points, indices=np.repeat(np.arange(len(whole)), lengths[lengths >= 3]))
    used, ring_at = np.unique(ring_of[lengths >= 3], return_inverse=True)
    made = shapely.polygons(lines, indices=ring_at) if len(lines) else np.empty(0, object)
    shapes = np.full(len(at), shapely.MultiPolygon(), dtype=object)
    if len(made):
        shapely.multipolygons(made, indices=part_of[used], out=shapes)
    return at, shapes, is_short


@check("polygon_valid", "shape", "geometry", got=lambda row: _reason(row))
def polygon_valid(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    """Parts of one annotation may touch or overlap: each is judged by itself."""
    at, shapes, is_short = polygons(rows)
    parts, part_of = shapely.get_parts(shapes, return_index=True)
    broken = np.zeros(len(rows), np.bool_)
    broken[at] = is_short
    broken[at[part_of[~shapely.is_valid(parts)]]] = True
    return broken


def _reason(row: Row) -> str:
    alone = pd.DataFrame({"shape": pd.Categorical(["polygon"]), "geometry": [row["geometry"]]})
    _, shapes, is_short = polygons(alone)
    reasons = [one for one in shapely.is_valid_reason(shapely.get_parts(shapes)) if one != "Valid Geometry"]
    return "a ring of fewer than three corners" if is_short[0] else f"{reasons[0] if reasons else 'no polygon'}"


@check("box_matches_polygon", "shape", "geometry", *SIDES, got=lambda row: _both_boxes(row))
def box_matches_polygon(rows: pd.DataFrame, told: told.PolygonBox) -> Bools:
    at, shapes, is_short = polygons(rows)
    boxes = rows[list(SIDES)].to_numpy()[at]
    around = shapely.bounds(shapes)
    shared = np.minimum(boxes[:, :2] + boxes[:, 2:], around[:, 2:]) - np.maximum(boxes[:, :2], around[:, :2])
    overlap = shared.clip(min=0).prod(axis=1)
    union = boxes[:, 2:].prod(axis=1) + (around[:, 2:] - around[:, :2]).prod(axis=1) - overlap
    broken = np.zeros(len(rows), np.bool_)
    broken[at] = ~is_short & (overlap < told.min_iou * union)
    return broken


def _both_boxes(row: Row) -> str:
    alone = pd.DataFrame({"shape": pd.Categorical(["polygon"]), "geometry": [row["geometry"]]})
    left, top, right, bottom = shapely.bounds(polygons(alone)[1])[0]
    x, y, width, height = (row[side] for side in SIDES)
    return f"box x {x:g} to {x + width:g}, y {y:g} to {y + height:g}; polygon x {left:g} to {right:g}, y {top:g} to {bottom:g}"


@check("area_as_stated", "raw", "shape", "geometry", *SIDES, got=lambda row: _areas(row))
def area_as_stated(rows: pd.DataFrame, told: told.Area) -> Bools:
    """COCO's `area`: of the polygon where there is one, else of the box; not of a mask. Nothing stated breaks nothing."""
    stated = rows["raw"].str.extract(AREA, expand=False).astype(np.float64).to_numpy()
    drawn = rows["width_px"].to_numpy() * rows["height_px"].to_numpy()
    at, shapes, _ = polygons(rows)
    drawn[at] = shapely.area(shapes)
    drawn[is_in(rows["shape"], ("mask", "ellipse", "rotated_box"))] = np.nan
    return np.asarray(np.abs(stated - drawn) > told.tolerance * drawn)


def _areas(row: Row) -> str:
    found = AREA.search(row["raw"])
    return f"area {found[1] if found else 'none'} with a box of {row['width_px'] * row['height_px']:g} px²"
