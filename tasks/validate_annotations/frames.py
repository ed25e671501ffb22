"""What the rules look at: one row per image, one row per annotation (pandas), in columns that are small."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from include.artifacts.tables import ANNOTATIONS, to_frame
from include.checks.annotation_checks import SIDES
from include.checks.every import CHECKS
from include.checks.mask_checks import misfit_of
from include.checks.polygon_checks import polygons
from include.definitions.suites import RuleInUse
from tasks.validate_annotations.pictures import Picture
from tasks.validate_annotations.texts import quick_hashes, shared, words

Ints = NDArray[np.int64]
WORDS = ("shape", "class_name", "conflict", "attributes", "guideline", "annotator", "job")  # of annotations: few different ones
ALWAYS = {"annotation_key", "annotation_id", "image_key", "class_name", "is_crowd", "annotator", "job", *SIDES}


def image_frame(images: pa.Table, pictures: Mapping[str, Picture] | None, rules: Collection[RuleInUse]) -> pd.DataFrame:
    """Of IMAGES, with what the pictures really are; None: they were not looked at, and are as the labels state."""
    frame = pd.DataFrame({"row": np.arange(len(images)), "is_missing": images["md5"].is_null().to_numpy()})
    frame["attributes"] = words(images["attributes"])
    for side in ("width_px", "height_px"):
        frame[side] = frame[f"real_{side}"] = images[side].to_numpy()
    frame["is_damaged"] = frame["is_turned"] = np.zeros(len(images), np.bool_)
    if pictures is not None:
        seen = [pictures.get(md5) if md5 is not None else None for md5 in images["md5"].to_pylist()]
        sound = [one if one is not None and one.problem is None else None for one in seen]
        frame["is_damaged"] = np.array([bool(one and one.problem) for one in seen], np.bool_)
        frame["is_turned"] = np.array([bool(one and one.turned) for one in sound], np.bool_)
        frame["real_width_px"] = np.array([one.width_px if one else np.nan for one in sound], np.float64)
        frame["real_height_px"] = np.array([one.height_px if one else np.nan for one in sound], np.float64)
    return with_stock_columns(frame, images, rules, "image")


def same_image(images: pa.Table, sound: pd.DataFrame) -> Ints:
    """For each sound image the row of another one that stands for it; else -1.

    Within a delivery the first stands; between deliveries the later, as a later batch would: so it does not matter whether
    two deliveries came in one batch or in two.
    """
    md5s, stands_for = images["md5"].combine_chunks(), np.full(len(sound), -1)
    hashes = quick_hashes(md5s.fill_null(""), 0)
    alike = shared(hashes[sound["row"]])  # few
    rows = sound["row"].to_numpy()[alike]
    some = images.select(["md5", "delivery"]).take(pa.array(rows))
    keys = pd.DataFrame({"md5": words(some["md5"]).cat.codes, "delivery": words(some["delivery"]).cat.codes, "row": rows})
    firsts = keys.drop_duplicates(["md5", "delivery"], keep="first")
    standing = firsts.drop_duplicates("md5", keep="last").set_index("md5")["row"]
    stands = keys["md5"].map(standing).to_numpy(np.int64)
    stands_for[alike] = np.where(stands == rows, -1, stands)
    return stands_for


def annotation_frame(part: pa.Table, first: int, at: Ints, images: pd.DataFrame, rules: Collection[RuleInUse]) -> pd.DataFrame:
    """Of a part of ANNOTATIONS that begins at row `first`, with the real sizes of their images, which are `at` these rows."""
    frame: dict[str, Any] = {"row": np.arange(first, first + len(part)), "image_at": at}
    frame |= {side: part[side].to_numpy() for side in SIDES}
    for side in ("real_width_px", "real_height_px"):
        frame[side] = np.append(images[side].to_numpy(np.float64), np.nan)[at]
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
