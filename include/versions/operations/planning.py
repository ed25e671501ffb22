"""What becomes of every image of a version: its pieces, and the boxes in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from include.versions.operations.boxes import Boxes, place
from include.versions.operations.cutting import Pictures
from include.versions.operations.edits import Edit, Shape, whole
from include.versions.operations.pictures import Task

CHUNK = 32  # images at a time: seconds of work
SIDES = ["x_px", "y_px", "width_px", "height_px"]


@dataclass(frozen=True)
class Piece:
    """An image of the result: which image it comes from (a position), how, and its boxes (positions, and where they lie)."""

    image: int
    edit: Edit | None
    annotations: list[int]
    boxes: Boxes
    cut_off: int


Chunk = list[Piece]


def plan_image(
    image: int, shape: Shape, how: Pictures, annotations: list[int], boxes: Boxes, is_crowd: Sequence[bool], drop_empty: bool
) -> Iterator[Piece]:
    """Its pieces. A crowd box stays wherever some of it is seen: it has no object that could be cut in two."""
    for edit in how.plan(shape):
        moved, share = place(boxes, edit or whole(shape))
        seen = (moved[:, 2] > 0) & (moved[:, 3] > 0)
        keep = seen & ((share >= how.least_visible) | np.array(is_crowd, bool)) if edit else np.ones(len(boxes), bool)
        if keep.any() or not drop_empty:
            kept = [position for position, is_kept in zip(annotations, keep, strict=True) if is_kept]
            yield Piece(image, edit, kept, moved[keep] if edit else boxes[keep], int((seen & ~keep).sum()))


def plan_chunks(images: pd.DataFrame, annotations: pd.DataFrame, how: Pictures, drop_empty: bool) -> Iterator[Chunk]:
    """Lazily, in the order of `images`: what is not yet planned takes no memory."""
    of_image: dict[Any, Any] = dict(annotations.groupby("md5").indices)
    boxes, is_crowd = annotations[SIDES].to_numpy(np.float64), annotations["is_crowd"].to_numpy(bool)
    rows = enumerate(images[["md5", "width_px", "height_px", "split"]].itertuples(index=False, name=None))
    while some := list(islice(rows, CHUNK)):
        chunk: Chunk = []
        for image, (md5, width, height, split) in some:
            mine = of_image.get(md5, np.array([], np.int64))
            shape = Shape(md5, int(width), int(height), split)
            chunk += plan_image(image, shape, how, mine.tolist(), boxes[mine], is_crowd[mine].tolist(), drop_empty)
        yield chunk


def tasks_of(chunk: Chunk, images: pd.DataFrame, how: Pictures) -> list[Task]:
    """What a worker is told: one task per picture, with all its edits."""
    edits: dict[int, list[Edit]] = {}
    for piece in chunk:
        if piece.edit is not None:
            edits.setdefault(piece.image, []).append(piece.edit)
    tasks = []
    for image, mine in edits.items():
        row: Any = images.iloc[image]
        size = int(row["width_px"]), int(row["height_px"])
        tasks.append(Task(row["md5"], row["relpath"], size, tuple(mine), how.format, how.quality))
    return tasks
