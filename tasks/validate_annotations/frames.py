"""What the rules look at: one row per image, one row per annotation (pandas), in columns that are small."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from include.artifacts.tables import ANNOTATIONS, IMAGES, to_frame
from include.checks.annotation_checks import SIDES
from include.checks.every import CHECKS
from include.checks.mask_checks import misfit_of
from include.checks.polygon_checks import polygons
from include.definitions.suites import RuleInUse
from tasks.validate_annotations.pictures import Picture
from tasks.validate_annotations.texts import words

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
SIZE = ("width_px", "height_px")
WORDS = ("shape", "class_name", "conflict", "attributes", "guideline", "annotator", "job")  # of annotations: few different ones
ALWAYS = {"annotation_key", "annotation_id", "image_key", "class_name", "is_crowd", "annotator", "job", *SIDES}


def image_frame(
    images: pa.Table, rows: Ints, pictures: Mapping[str, Picture] | None, rules: Collection[RuleInUse]
) -> pd.DataFrame:
    """Of IMAGES, which are these `rows` of the batch, with what the pictures really are."""
    frame = pd.DataFrame({"row": rows, "is_missing": images["md5"].is_null().to_numpy()})
    frame["attributes"] = words(images["attributes"])
    for side, real in zip(SIZE, real_sizes(images, pictures), strict=True):
        frame[side], frame[f"real_{side}"] = images[side].to_numpy(), real
    seen = _seen(images, pictures)
    frame["is_damaged"] = np.array([bool(one and one.problem) for one in seen], np.bool_)
    frame["is_turned"] = np.array([bool(one and not one.problem and one.turned) for one in seen], np.bool_)
    return with_stock_columns(frame, images, rules, "image")


def real_sizes(images: pa.Table, pictures: Mapping[str, Picture] | None) -> tuple[Floats, Floats]:
    """Width and height of the pictures, NaN where they are not readable; None: they were not looked at, and are as stated."""
    if pictures is None:
        return images["width_px"].to_numpy(), images["height_px"].to_numpy()
    sound = [one if one and not one.problem else None for one in _seen(images, pictures)]
    return (
        np.array([one.width_px if one else np.nan for one in sound], np.float64),
        np.array([one.height_px if one else np.nan for one in sound], np.float64),
    )


def _seen(images: pa.Table, pictures: Mapping[str, Picture] | None) -> list[Picture | None]:
    return [pictures.get(md5) for md5 in images["md5"].to_pylist()] if pictures else [None] * len(images)


def same_image(md5s: pa.ChunkedArray, deliveries: pa.ChunkedArray, rows: Ints) -> Ints:
    """For each image of `rows` the row of another one with the same bytes, that stands for it; else -1.

    Within a delivery the first stands; between deliveries the later, as a later batch would: so it does not matter whether
    two deliveries came in one batch or in two.
    """
    keys = pd.DataFrame({"md5": words(md5s).cat.codes, "delivery": words(deliveries).cat.codes, "row": rows})
    firsts = keys.drop_duplicates(["md5", "delivery"], keep="first")
    standing = firsts.drop_duplicates("md5", keep="last").set_index("md5")["row"]
    stands = keys["md5"].map(standing).to_numpy(np.int64)
    return np.where(stands == rows, -1, stands)


def annotation_frame(part: pa.Table, first: int, at: Ints, sizes: Sequence[Floats], rules: Collection[RuleInUse]) -> pd.DataFrame:
    """Of a part of ANNOTATIONS that begins at row `first`. `at`: their images' rows; `sizes`: real widths and heights of all."""
    frame: dict[str, Any] = {"row": np.arange(first, first + len(part)), "image_at": at}
    frame |= {side: part[side].to_numpy() for side in SIDES}
    frame |= {f"real_{side}": real[at] for side, real in zip(SIZE, sizes, strict=True)}
    frame["is_crowd"] = part["is_crowd"].fill_null(False).to_numpy()
    frame |= {name: words(part[name]) for name in WORDS if name in part.column_names}
    if "geometry" in part.column_names:
        frame["polygon"] = np.full(len(part), None, dtype=object)
        at_drawn = _where_drawn(part, "polygon")
        frame["polygon"][at_drawn] = polygons(part["geometry"].take(pa.array(at_drawn)).to_numpy())
        masks = _where_drawn(part, "mask")
        masks = masks[frame["is_crowd"][masks]]
        frame["is_misfit"] = np.zeros(len(part), np.bool_)
        frame["is_misfit"][masks] = [misfit_of(one) is not None for one in part["geometry"].take(pa.array(masks)).to_pylist()]
    if "raw" in part.column_names:
        frame["raw"] = part["raw"].to_pandas().astype(object)
    return with_stock_columns(pd.DataFrame(frame), part, rules, "annotation")


def _where_drawn(part: pa.Table, shape: str) -> NDArray[np.intp]:
    """Rows of this shape that have a geometry."""
    is_drawn = pc.and_(pc.fill_null(pc.equal(part["shape"], shape), False), part["geometry"].is_valid())
    return np.flatnonzero(is_drawn.to_numpy())


def columns_for(rules: Collection[RuleInUse]) -> set[str]:
    """Of ANNOTATIONS, those that the rules look at."""
    told = {column for rule in rules for column in (CHECKS[rule.name].columns if not rule.expect else stock_columns(rule))}
    more = {"attributes"} if any(rule.expect for rule in rules) else set()
    if told & {"polygon", "is_misfit"}:
        more |= {"geometry", "shape"}
    return (ALWAYS | told | more) & set(ANNOTATIONS.names)


def columns_for_images(rules: Collection[RuleInUse]) -> set[str]:
    """Of IMAGES, those that the rules look at beside the pictures."""
    told = {column for rule in rules if rule.expect for column in stock_columns(rule)}
    return ({"md5", "attributes", *SIZE} | told) & set(IMAGES.names)


def stock_columns(rule: RuleInUse) -> list[str]:
    """That a stock expectation is told of."""
    said = [value for key, value in rule.parameters.items() if key.startswith("column")]
    return [name for one in said for name in (one if isinstance(one, list) else [one])]


def with_stock_columns(frame: pd.DataFrame, table: pa.Table, rules: Collection[RuleInUse], subject: str) -> pd.DataFrame:
    """With what stock expectations look at and checks do not: a column of the table, or one of the attributes."""
    for name in {name for rule in rules if rule.expect and rule.rule.subject == subject for name in stock_columns(rule)}:
        if name in frame:
            continue
        if name in table.column_names:
            frame[name] = to_frame(table.select([name]))[name]
        else:
            said = [json.loads(one).get(name) for one in frame["attributes"].cat.categories]
            frame[name] = np.array([*said, None], dtype=object)[frame["attributes"].cat.codes.to_numpy()]
    return frame
