"""Which boxes are drawn twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SIDES = ["x_px", "y_px", "width_px", "height_px"]


def iou(boxes: Floats, others: Floats) -> Floats:
    """Intersection over union, (N, M), of boxes (N, 4) and (M, 4) given as x, y, width, height with positive area."""
    left_top = np.maximum(boxes[:, None, :2], others[None, :, :2])
    right_bottom = np.minimum(boxes[:, None, :2] + boxes[:, None, 2:], others[None, :, :2] + others[None, :, 2:])
    overlap = np.clip(right_bottom - left_top, 0, None).prod(axis=2)
    union = boxes[:, 2:].prod(axis=1)[:, None] + others[:, 2:].prod(axis=1)[None, :] - overlap
    return np.asarray(overlap / union)


def duplicate_of(annotations: pd.DataFrame, max_iou: float) -> pd.Series:
    """For each row the annotation_key of the earlier box that it repeats, or null.

    Compared within image, dataset class and crowd flag, in order: only boxes that are kept count, so of a chain in which
    each overlaps its neighbour, every second stays.
    """
    answer = pd.Series(None, index=annotations.index, dtype=object)
    for _, group in annotations.groupby(["image_key", "dataset_class", "is_crowd"], sort=False, dropna=False):
        if len(group) > 1:
            boxes = group[SIDES].to_numpy(dtype=np.float64)
            for later, earlier in _repeats(boxes, max_iou).items():
                answer[group.index[later]] = group["annotation_key"].iloc[earlier]
    return answer


def _repeats(boxes: Floats, max_iou: float) -> dict[int, int]:
    """Position of each repeated box (N, 4) → position of the kept box that it repeats."""
    repeats: dict[int, int] = {}
    kept = np.empty(len(boxes), dtype=np.int64)
    count = 0
    for position in range(len(boxes)):
        overlaps = iou(boxes[position : position + 1], boxes[kept[:count]])[0]
        if count and overlaps.max() > max_iou:
            repeats[position] = int(kept[overlaps.argmax()])
        else:
            kept[count] = position
            count += 1
    return repeats
