"""The rules about images. A row of the frame is an image of the batch (tasks/validate_annotations/frames.py)."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from include.checks import parameters as told
from include.checks.checks import Bools, Row, check


def _size(row: Row) -> str:
    real = f"{row['real_width_px']:g}×{row['real_height_px']:g}"
    stated = f"{row['width_px']:g}×{row['height_px']:g}"
    turned = "; its EXIF orientation turns it by 90°, and the labels seem to be drawn on the pixels as they are stored"
    swapped = row["is_turned"] and stated == f"{row['real_height_px']:g}×{row['real_width_px']:g}"
    return f"{real}, stated {stated}{turned if swapped else ''}"


@check("image_present", "is_missing", got=lambda row: str(row["missing"]))
def image_present(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    return rows["is_missing"].to_numpy()


@check("image_readable", "is_damaged", got=lambda row: str(row["decode_problem"]))
def image_readable(rows: pd.DataFrame, _: told.MaxMegapixels) -> Bools:
    return rows["is_damaged"].to_numpy()


@check("image_size_as_stated", "width_px", "height_px", "real_width_px", "real_height_px", got=_size)
def image_size_as_stated(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    """Where either is not known, nothing can be said."""
    stated, real = rows[["width_px", "height_px"]].to_numpy(), rows[["real_width_px", "real_height_px"]].to_numpy()
    is_known = ~(np.isnan(stated).any(axis=1) | np.isnan(real).any(axis=1))
    return np.asarray(is_known & (stated != real).any(axis=1))


@check("image_has_tags", "attributes", got=lambda row: f"attributes {row['attributes'] or 'none'}")
def image_has_tags(rows: pd.DataFrame, told: told.Tags) -> Bools:
    """Each distinct text of attributes is read once."""
    said = [json.loads(one) for one in rows["attributes"].cat.categories]
    lacks = [any(one.get(tag) in (None, "") for tag in told.tags) for one in said]
    return np.array([*lacks, True], np.bool_)[rows["attributes"].cat.codes.to_numpy()]


@check("image_unique", "same_image_as", got=lambda row: f"same bytes as {row['same_image']}, which stands")
def image_unique(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    return np.asarray(rows["same_image_as"].to_numpy() >= 0)


@check("image_has_labels", "boxes", got=lambda row: "no annotation that teaches")
def image_has_labels(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    return np.asarray(rows["boxes"].to_numpy() == 0)
