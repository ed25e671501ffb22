"""The rule about crowds. COCO's `iscrowd` marks a region of many objects, drawn as run lengths down the columns of the image."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from include.checks import parameters as told
from include.checks.checks import Bools, Row, check, is_in
from include.formats.datumaro_shapes import unpacked_runs


def misfit_of(geometry: str | None) -> str | None:
    """How the run lengths of a mask fail to fill the size that it states, in words. None: they fill it, or it states none."""
    runs = json.loads(geometry).get("rle") if geometry else None
    if not isinstance(runs, dict) or "size" not in runs:  # of a service: they lie in the box
        return None
    counts, size = runs.get("counts"), runs["size"]
    if not isinstance(size, list) or len(size) != 2 or not all(type(one) is int and one > 0 for one in size):
        return f"size {json.dumps(size)}, expected height and width"
    try:
        lengths = unpacked_runs(counts) if isinstance(counts, str) else counts
    except ValueError as error:
        return f"counts that cannot be read: {error}"
    if not isinstance(lengths, list) or not all(type(one) is int and one >= 0 for one in lengths):
        return "counts that are no run lengths"
    height, width = size
    return None if sum(lengths) == height * width else f"run lengths of {sum(lengths)} pixels for {width}×{height}"


def _got(row: Row) -> str:
    misfit = misfit_of(row["geometry"]) if row["shape"] == "mask" else None
    return f"iscrowd with shape {row['shape'] or 'box'}" + (f" and {misfit}" if misfit else "")


@check("crowd_is_a_mask", "is_crowd", "shape", "is_misfit", got=_got)
def crowd_is_a_mask(rows: pd.DataFrame, _: told.Parameters) -> Bools:
    return np.asarray(rows["is_crowd"].to_numpy() & (~is_in(rows["shape"], ("mask",)) | rows["is_misfit"].to_numpy()))
