"""What the champion sees in the images of a version, and what people drew there: two sets of boxes in the same columns."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from PIL import Image

from include.detector.looking import MOST_DETECTIONS, batches
from include.errors import BadInputError
from tasks.find_label_errors.boxes import Boxes

Arrays = tuple[Any, Any, Any]


class Detects(Protocol):
    """OnnxDetector, or one made for a test."""

    classes: tuple[str, ...]

    def detect_arrays(self, images: Sequence[Image.Image], min_score: float, max_detections: int) -> list[Arrays]:
        """Per image: boxes (K, 4) x0 y0 x1 y1 px, scores (K,), class indices (K,)."""


@dataclass(frozen=True)
class Seen:
    """`boxes`: labels are positions in the model's classes. `unreadable`: images that could not be looked at, by position."""

    boxes: Boxes
    unreadable: dict[int, str]


def given_boxes(images: pa.Table, annotations: pa.Table, dataset: Sequence[str], model: Sequence[str]) -> Boxes:
    """Of the rows of VERSION_ANNOTATIONS, each of an image of `images`. A class that the model does not know is -1."""
    known = {name: number for number, name in enumerate(model)}
    labels = np.array([-1, *(known.get(name, -1) for name in dataset)])  # categories are 1, 2, …
    image_ids = images["image_id"].to_numpy()
    order = np.argsort(image_ids)
    at = order[np.searchsorted(image_ids, annotations["image_id"].to_numpy(), sorter=order)]
    box = np.column_stack([annotations[name].to_numpy() for name in ("x_px", "y_px", "width_px", "height_px")])
    crowd = annotations["is_crowd"].to_numpy(zero_copy_only=False)
    return Boxes.of(at, labels[annotations["category_id"].to_numpy()], box, crowd=crowd)


def look_at(
    images: pa.Table, detector: Detects, read: Callable[[str], bytes], min_score: float, log: logging.Logger, log_every_s: float
) -> Seen:
    """`images`: rows of VERSION_IMAGES. `read` gives an image's bytes by md5."""
    pictures = list(zip(images["relpath"].to_pylist(), images["md5"].to_pylist(), strict=True))
    found: list[Boxes] = []
    unreadable: dict[int, str] = {}
    began, said, done = time.monotonic(), time.monotonic(), 0
    for opened in batches(pictures, read):
        unreadable |= {done + n: str(one) for n, one in enumerate(opened) if isinstance(one, BadInputError)}
        good = [(done + n, one) for n, one in enumerate(opened) if not isinstance(one, BadInputError)]
        seen = detector.detect_arrays([picture for _, picture in good], min_score, MOST_DETECTIONS) if good else []
        found += [_boxes(position, *arrays) for (position, _), arrays in zip(good, seen, strict=True)]
        done += len(opened)
        if time.monotonic() - said >= log_every_s:
            said, speed = time.monotonic(), done / (time.monotonic() - began)
            log.info("%d/%d images  %.1f img/s  eta %.0f s", done, len(pictures), speed, (len(pictures) - done) / speed)
    columns = zip(*(vars(one).values() for one in found), strict=True)
    return Seen(Boxes(*(np.concatenate(column) for column in columns)) if found else Boxes.of([], [], []), unreadable)


def _boxes(position: int, corners: Any, scores: Any, labels: Any) -> Boxes:
    box = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
    return Boxes.of(np.full(len(scores), position), labels, box, scores)
