"""What a packed model sees in the test pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from PIL import Image

from include.artifacts import Detection
from include.detector.looking import MOST_DETECTIONS, Opened, batches
from include.errors import BadInputError
from tasks.evaluate_model.truth import Truth

CocoDetection = dict[str, Any]  # image_id, category_id, bbox (x, y, width, height), score: a COCO results file's rows


class Detects(Protocol):
    """Any detector: OnnxDetector, or one made for a test."""

    def detect(self, images: Sequence[Image.Image], min_score: float, max_detections: int) -> list[list[Detection]]:
        """Detections of each image, best first."""


@dataclass(frozen=True)
class Seen:
    """Detections of the dataset's classes in all test pictures, and how fast they came (reading the files not counted)."""

    detections: list[CocoDetection]
    images_per_s: float
    unknown: dict[str, int]  # detections of classes that the dataset does not have, by class name


def _readable(opened: Opened) -> Image.Image:
    if isinstance(opened, BadInputError):
        raise opened
    return opened


def look_at(truth: Truth, detector: Detects, read: Callable[[str], bytes], min_score: float) -> Seen:
    """Let `detector` look at the whole test split; `read` gives an image's bytes by md5. Classes are matched by name."""
    found: list[CocoDetection] = []
    unknown: dict[str, int] = {}
    busy_s = 0.0
    images = iter(truth.images)
    for opened in batches([(image["file_name"], image["md5"]) for image in truth.images], read):
        pictures = [_readable(one) for one in opened]
        began = time.perf_counter()
        seen = detector.detect(pictures, min_score, MOST_DETECTIONS)
        busy_s += time.perf_counter() - began
        for image, detections in zip(islice(images, len(seen)), seen, strict=True):
            for one in detections:
                category_id = truth.category_ids.get(one.class_name)
                if category_id is None:
                    unknown[one.class_name] = unknown.get(one.class_name, 0) + 1
                    continue
                x0, y0, x1, y1 = one.box_xyxy_px
                found.append({"image_id": image["id"], "category_id": category_id, "bbox": [x0, y0, x1 - x0, y1 - y0],
                              "score": one.score})  # fmt: skip
    return Seen(found, len(truth.images) / max(busy_s, 1e-9), unknown)
