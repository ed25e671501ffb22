"""The rules about boxes and what is said of them. A row of the frame is an annotation of the batch, with its image's real size.

A box is x, y, width, height in pixels of its image.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from include.checks import parameters as told
from include.checks.checks import Bools, Row, check, is_in
from include.labelling.files.values import parsed

SIDES = ("x_px", "y_px", "width_px", "height_px")
IN_IMAGE = (*SIDES, "real_width_px", "real_height_px")
COCO_KEYS = frozenset({"bbox", "category_id", "image_id"})  # what is not from a service has one of them


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _raw(row: Row, key: str, nothing: str) -> str:
    """The value as the file had it, shortened: an annotation may hold anything. `nothing`: said of what is no COCO annotation."""
    raw = parsed(row["raw"])
    if not isinstance(raw, dict):
        return f"{key} none: the annotation is {_short(raw)}"
    if raw and COCO_KEYS.isdisjoint(raw):
        return f"{nothing}; as it came: {_short(raw)}"
    return f"{key} {_short(raw[key]) if key in raw else 'missing'}"


def _image_id(row: Row) -> str:
    given = f"image_id {row['image_id']}" if isinstance(row["image_id"], str) else "image_id missing"
    return _raw(row, "image_id", given)


def _box(row: Row) -> str:
    got = {name: row[side] for name, side in zip(("x", "y", "width", "height"), SIDES, strict=True)}
    return _raw(row, "bbox", ", ".join(f"{name} {side:g}" if side == side else f"no {name}" for name, side in got.items()))


def _sides(row: Row) -> str:
    return f"{row['width_px']:g}×{row['height_px']:g} px"


def _place(row: Row) -> str:
    x, y, width, height = (row[side] for side in SIDES)
    size = f"{row['real_width_px']:g}×{row['real_height_px']:g}"
    return f"x {x:g} to {x + width:g}, y {y:g} to {y + height:g} in an image of {size}"


def _class(row: Row) -> str:
    if isinstance(row["class_name"], str):
        return f"class {row['class_name']}"
    said = _raw(row, "category_id", "no class")
    return f"{said}, which the file does not define" if said.startswith("category_id ") else said


@check("known_image", "image_at", got=_image_id)
def known_image(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    return rows["image_at"].to_numpy() < 0


@check("shape_has_a_box", "shape", got=lambda row: f"shape {row['shape']}")
def shape_has_a_box(rows: pd.DataFrame, told: told.Shapes) -> Bools:
    """Batches made before shapes were kept have boxes only."""
    return ~is_in(rows["shape"], told.shapes) & rows["shape"].notna().to_numpy()


@check("box_finite", *SIDES, got=_box)
def box_finite(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    return np.asarray(~np.isfinite(rows[list(SIDES)].to_numpy()).all(axis=1))


def corners_in_order(rows: pd.DataFrame, _: told.Parameters) -> pd.DataFrame:
    """A box drawn from right to left, or from bottom to top, has a negative side: its other corner is where it starts."""
    width, height = rows["width_px"], rows["height_px"]
    return pd.DataFrame({
        "x_px": rows["x_px"] + width.clip(upper=0), "y_px": rows["y_px"] + height.clip(upper=0),
        "width_px": width.abs(), "height_px": height.abs(),
    })  # fmt: skip


@check("box_positive_area", "width_px", "height_px", got=_sides, repair=corners_in_order)
def box_positive_area(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    return ((rows["width_px"] <= 0) | (rows["height_px"] <= 0)).to_numpy()


def clipped(rows: pd.DataFrame, told: told.InsideImage) -> pd.DataFrame:
    """Cut off at the image's edges, where enough of the box is left."""
    right = np.minimum(rows["x_px"] + rows["width_px"], rows["real_width_px"])
    bottom = np.minimum(rows["y_px"] + rows["height_px"], rows["real_height_px"])
    left, top = rows["x_px"].clip(lower=0), rows["y_px"].clip(lower=0)
    cut = pd.DataFrame({"x_px": left, "y_px": top, "width_px": right - left, "height_px": bottom - top})
    area = rows["width_px"] * rows["height_px"]
    left_over = cut["width_px"].clip(lower=0) * cut["height_px"].clip(lower=0)
    is_enough = (left_over > 0) & (left_over >= told.min_kept_share * area)
    return cut.where(is_enough, rows[list(SIDES)])


@check("box_inside_image", *IN_IMAGE, got=_place, repair=clipped)
def box_inside_image(rows: pd.DataFrame, told: told.InsideImage) -> Bools:
    x, y, width, height, image_width, image_height = (rows[name].to_numpy() for name in IN_IMAGE)
    edge = told.edge_tolerance_px
    return np.asarray((x < -edge) | (y < -edge) | (x + width > image_width + edge) | (y + height > image_height + edge))


@check("box_min_side", "width_px", "height_px", got=_sides)
def box_min_side(rows: pd.DataFrame, told: told.MinSide) -> Bools:
    return np.asarray(rows[["width_px", "height_px"]].to_numpy().min(axis=1) < told.min_side_px)


@check("box_max_aspect_ratio", "width_px", "height_px", got=_sides)
def box_max_aspect_ratio(rows: pd.DataFrame, told: told.AspectRatio) -> Bools:
    sides = rows[["width_px", "height_px"]].to_numpy()
    shorter, longer = sides.min(axis=1), sides.max(axis=1)
    return np.asarray((longer > told.max_ratio * shorter) & (shorter > 0))


@check("known_class", "class_name", got=_class)
def known_class(rows: pd.DataFrame, told: told.Classes) -> Bools:
    return ~is_in(rows["class_name"], told.classes)


@check("annotators_agree", "conflict", got=lambda row: str(row["conflict"]))
def annotators_agree(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    return rows["conflict"].notna().to_numpy()


@check("known_attributes", "attributes", got=lambda row: f"attributes {row['attributes']}")
def known_attributes(rows: pd.DataFrame, told: told.Attributes) -> Bools:
    """Each distinct text of attributes is read once. Nothing said breaks nothing."""
    said = [json.loads(one) for one in rows["attributes"].cat.categories]
    unknown = [any(key not in told.values or (told.values[key] and value not in told.values[key]) for key, value in one.items())
               for one in said]  # fmt: skip
    return np.array([*unknown, False], np.bool_)[rows["attributes"].cat.codes.to_numpy()]


@check("guideline_version", "guideline", got=lambda row: f"guideline {row['guideline'] or 'not said'}")
def guideline_version(rows: pd.DataFrame, told: told.Guidelines) -> Bools:
    return ~is_in(rows["guideline"], told.versions)


@check("unique_annotation_id", "same_id_as", got=lambda row: f"id {row['annotation_id']}, as {row['same_id']}")
def unique_annotation_id(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    return rows["same_id_as"].to_numpy() >= 0


def dropped(rows: pd.DataFrame, _: told.DuplicateIou) -> pd.DataFrame:
    """Nothing of the later box is left."""
    return rows.iloc[:0]


@check("no_duplicate_box", "same_box_as", got=lambda row: f"same place as {row['same_box']}", repair=dropped)
def no_duplicate_box(rows: pd.DataFrame, _: told.DuplicateIou) -> Bools:
    return rows["same_box_as"].to_numpy() >= 0
