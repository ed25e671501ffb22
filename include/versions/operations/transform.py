"""Tile, resize, crop, reencode, augment, reclassify, drop_small: a version changed image by image, or box by box.

A new image keeps group and split of the image it comes from: tiles of a test image stay in test. Its attributes name that
image: `made_from` is its md5.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from include.artifacts import DatasetVersion
from include.step.step_run import StepRun
from include.versions.contents import ANNOTATION_COLUMNS, IMAGE_COLUMNS, Contents
from include.versions.names import Names
from include.versions.operations.cutting import Pictures, Tile
from include.versions.operations.kinds import DropSmall, How, Reclassify
from include.versions.operations.pictures import New
from include.versions.operations.planning import SIDES, Piece, plan_chunks
from include.versions.operations.redraw import redraw_all
from include.versions.operations.relabel import drop_small, reclassify
from include.versions.publish import Made
from include.versions.splits import SPLITS

Drawn = tuple[Piece, New | None]  # a piece, and its file where it is a new one


class Transform(BaseModel):
    """`how` says the kind and its parameters (include/versions/operations/kinds.py)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Literal["transform"]
    how: How


def apply(step: StepRun[Any], parents: Sequence[DatasetVersion], asked: Transform) -> Made:
    """The one parent, changed."""
    (parent,) = parents
    before = Contents.read(step.content, parent)
    if isinstance(asked.how, Reclassify):
        return reclassify(before, parent.classes, asked.how)
    if isinstance(asked.how, DropSmall):
        return drop_small(before, parent.classes, asked.how)
    return redrawn(step, before, parent.classes, asked.how)


def redrawn(step: StepRun[Any], before: Contents, classes: tuple[str, ...], how: Pictures) -> Made:
    """New pictures, and the boxes on them."""
    images = before.images.sort_values("relpath", ignore_index=True)
    chunks = plan_chunks(images, before.annotations, how, drop_empty=isinstance(how, Tile) and how.drop_empty)
    pieces: list[Drawn] = []
    for chunk, files in redraw_all(step, images, how, chunks):
        waiting = iter(files)
        # after a picture that cannot be read the files of its chunk are short; the end of the loop then raises
        pieces += [(piece, next(waiting, None) if piece.edit else None) for piece in chunk]
    rows = image_rows(images, pieces)
    counts = {
        "images_made": int((rows["md5"] != rows["from"]).sum()),
        "images_left_out": len(images) - rows["from"].nunique(),
        "annotations_cut_off": sum(piece.cut_off for piece, _ in pieces),
    }
    kept = one_row_per_md5(rows)
    counts["images_of_same_bytes"] = len(rows) - len(kept)
    annotations = annotation_rows(before.annotations, pieces, rows["md5"], set(kept.index))
    return Made(Contents(kept[IMAGE_COLUMNS].reset_index(drop=True), annotations), classes, counts)


def image_rows(images: pd.DataFrame, pieces: Sequence[Drawn]) -> pd.DataFrame:
    """One row per piece, with the md5 `from` which it was made. Images that stay as they are keep their paths."""
    old = images.iloc[[piece.image for piece, _ in pieces]].reset_index(drop=True)
    is_new = [new is not None and new.md5 != md5 for (_, new), md5 in zip(pieces, old["md5"], strict=True)]
    names = Names(dict.fromkeys(path for path, new in zip(old["relpath"], is_new, strict=True) if not new))
    rows = old.assign(**{"from": old["md5"]}).to_dict("records")
    for row, (piece, new), changed in zip(rows, pieces, is_new, strict=True):
        if changed and new is not None and piece.edit is not None:
            width, height = piece.edit.result_size
            attributes = json.loads(row["attributes"]) if isinstance(row["attributes"], str) else {}
            row |= {
                "relpath": names.take(path_of(row["relpath"], piece.edit.tag, new.suffixes), new.md5),
                "md5": new.md5, "size_bytes": new.size_bytes, "width_px": width, "height_px": height,
                "attributes": json.dumps(attributes | {"made_from": row["from"]}, sort_keys=True), "phash": None,
                "brightness": None,
            }  # fmt: skip
    return pd.DataFrame(rows, columns=[*IMAGE_COLUMNS, "from"])


def path_of(relpath: str, tag: str, suffixes: Iterable[str]) -> str:
    """`images/a.JPG` → `images/a.x0y512.JPG`; with the first of the suffixes where its own is not of the format."""
    path, fitting = PurePosixPath(relpath), tuple(suffixes)
    suffix = path.suffix if path.suffix.lower() in fitting else fitting[0]
    stem = path.stem if path.suffix else path.name
    return str(path.with_name(f"{stem}{tag}{suffix}"))


def one_row_per_md5(rows: pd.DataFrame) -> pd.DataFrame:
    """Of images with the same bytes (blank tiles) the one in the most protected split, else the first."""
    protection = rows["split"].map({split: -rank for rank, split in enumerate(SPLITS)})
    first = rows.assign(protection=protection).sort_values("protection", kind="stable").drop_duplicates("md5")
    return rows.loc[first.index.sort_values()]


def annotation_rows(annotations: pd.DataFrame, pieces: Sequence[Drawn], md5s: pd.Series[Any], kept: set[int]) -> pd.DataFrame:
    """The boxes of the kept pieces where they lie now; all else as it was."""
    mine = [(number, piece) for number, (piece, _) in enumerate(pieces) if number in kept and piece.annotations]
    if not mine:
        return annotations.iloc[:0].reset_index(drop=True)
    moved = annotations.iloc[[position for _, piece in mine for position in piece.annotations]].reset_index(drop=True)
    boxes = np.concatenate([piece.boxes for _, piece in mine])
    known = md5s.tolist()
    owners = [known[number] for number, piece in mine for _ in piece.annotations]
    where = {side: boxes[:, column] for column, side in enumerate(SIDES)}
    return moved.assign(md5=pd.Series(owners, dtype=object), **where)[ANNOTATION_COLUMNS]
