"""Which labels a person looks at: a stratified random sample, the same for the same batch whenever and wherever it is drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from include.artifacts import Stratum
from include.artifacts.spot_check import Subject
from include.artifacts.tables import to_frame
from include.errors import ConfigError
from include.spot_checks.sheet import Row
from include.storage.content import md5_of
from tasks.spot_check.config import SpotCheckConfig

OTHERS = "others"  # strata that find no room of their own
OF_PICTURES = ("delivery", "group")
BOX = ("x_px", "y_px", "width_px", "height_px")


def draw(
    images: pa.Table, annotations: pa.Table, config: SpotCheckConfig, batch_id: str
) -> tuple[list[Row], tuple[Stratum, ...]]:  # fmt: skip
    """The sample, annotations first, then whole pictures; and the strata that it was drawn from."""
    pictures, boxes = to_frame(images), to_frame(annotations)
    boxes = boxes.assign(key=boxes["annotation_key"], stratum=strata_of(boxes, pictures, config.by))
    boxes["md5"] = boxes["image_key"].map(pictures.set_index("image_key")["md5"])
    labelled = pictures["image_key"].isin(boxes["image_key"])
    pictures = pictures.assign(key=pictures["image_key"], stratum=labelled.map({True: "with labels", False: "without labels"}))
    seed = f"{config.source}/{batch_id}"
    some, of_boxes = drawn(boxes, "annotation", config.sample, config.min_per_stratum, seed)
    whole, of_pictures = drawn(pictures, "image", config.images, config.min_per_stratum, seed)
    rows = [
        Row(item, "annotation", one["key"], one["image_key"], one["md5"], one["stratum"], one["class_name"],
            tuple(one[side] for side in BOX))
        for item, one in enumerate(some.to_dict("records"), 1)
    ]  # fmt: skip
    rows += [
        Row(item, "image", one["key"], one["image_key"], one["md5"], one["stratum"], None)
        for item, one in enumerate(whole.to_dict("records"), len(rows) + 1)
    ]
    return rows, (*of_boxes, *of_pictures)


def drawn(
    rows: pd.DataFrame, subject: Subject, total: int, least: int, seed: str
) -> tuple[pd.DataFrame, list[Stratum]]:  # fmt: skip
    """Of each stratum those whose keys, hashed with the seed, come first: a random choice that anybody can repeat."""
    rows = rows.assign(stratum=merged(rows["stratum"], max(2, total // least))) if total else rows.head(0)
    sizes = {str(name): int(count) for name, count in sorted(rows["stratum"].value_counts().items())}
    wanted = allocate(sizes, total, least)
    order = rows.assign(hashed=[md5_of(f"{seed} {key}".encode()) for key in rows["key"]]).sort_values("hashed")
    chosen = order[order.groupby("stratum").cumcount() < order["stratum"].map(wanted).astype(int)]
    return chosen.sort_values(["image_key", "key"]), [
        Stratum(subject=subject, name=name, population=sizes[name], sampled=wanted[name]) for name in sizes
    ]


def strata_of(boxes: pd.DataFrame, pictures: pd.DataFrame, by: tuple[str, ...]) -> pd.Series[Any]:
    """The name of each annotation's stratum. Raises ConfigError for a column that nothing has."""
    parts = []
    for name in by:
        if name in boxes.columns:
            values = boxes[name]
        else:
            of_picture = pictures[name] if name in OF_PICTURES else said(pictures["attributes"], name)
            values = boxes["image_key"].map(dict(zip(pictures["image_key"], of_picture, strict=True)))
            if len(values) and name not in OF_PICTURES and not values.notna().any():
                known = ", ".join(("class_name", "annotator", "reviewer", "job", "guideline", "shape", *OF_PICTURES))
                raise ConfigError(f"spot_check: by: {name}: no annotation or picture says it; expected {known} or an attribute")
        parts.append(values.astype(object).where(values.notna(), "unknown").astype(str))
    names = pd.Series("all", index=boxes.index, dtype=object) if not parts else parts[0]
    for part in parts[1:]:
        names = names + ", " + part
    return names


def said(attributes: pd.Series[Any], name: str) -> list[Any]:
    return [json.loads(text).get(name) if isinstance(text, str) else None for text in attributes]


def merged(strata: pd.Series[Any], room: int) -> pd.Series[Any]:
    """At most `room` of them: the smallest become one."""
    counts = strata.value_counts()
    if len(counts) <= room:
        return strata
    kept = sorted(counts.index, key=lambda name: (-counts[name], name))[: room - 1]
    return strata.where(strata.isin(kept), OTHERS)


def allocate(sizes: Mapping[str, int], total: int, least: int) -> dict[str, int]:
    """How many of each stratum: in proportion to its size, but at least `least` (or all it has); `total` altogether.

    What is left over by rounding goes to those who lose most by it, of equals to the first by name.
    """
    total = min(total, sum(sizes.values()))
    least = min(least, total // len(sizes)) if sizes else 0
    given: dict[str, int] = {}
    rest = dict(sizes)
    while rest:
        left, whole = total - sum(given.values()), sum(rest.values())
        short = {name: min(least, size) for name, size in rest.items() if left * size < min(least, size) * whole}
        if not short:
            given |= _in_proportion(rest, left)
            break
        given |= short
        rest = {name: size for name, size in rest.items() if name not in short}
    return {name: given[name] for name in sizes}


def _in_proportion(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    whole = sum(sizes.values())
    given = {name: total * size // whole for name, size in sizes.items()}
    lose = sorted(sizes, key=lambda name: (-(total * sizes[name] % whole), name))
    for name in lose[: total - sum(given.values())]:
        given[name] += 1
    return given
