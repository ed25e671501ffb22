"""What a packed model sees in the test pictures."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

from include.artifacts import Detection
from include.errors import BadInputError
from include.storage.content import in_threads
from include.upright import in_rgb
from tasks.evaluate_model.truth import Truth

IMAGES_AT_ONCE = 64  # read while the ones before are being looked at; bounds the memory
MOST_DETECTIONS = 100  # per picture: COCO metrics look at no more
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


def _open(name: str, data: bytes) -> Image.Image:
    try:
        return in_rgb(Image.open(io.BytesIO(data)))
    except (OSError, ValueError) as error:
        raise BadInputError(f"test image {name} cannot be read ({error}); build a new version without it") from None


def look_at(truth: Truth, detector: Detects, read: Callable[[str], bytes], min_score: float) -> Seen:
    """Let `detector` look at the whole test split; `read` gives an image's bytes by md5. Classes are matched by name."""
    found: list[CocoDetection] = []
    unknown: dict[str, int] = {}
    busy_s = 0.0
    for start in range(0, len(truth.images), IMAGES_AT_ONCE):
        batch = truth.images[start : start + IMAGES_AT_ONCE]
        files = in_threads(read, [image["md5"] for image in batch])
        pictures = [_open(image["file_name"], data) for image, data in zip(batch, files, strict=True)]
        began = time.perf_counter()
        seen = detector.detect(pictures, min_score, MOST_DETECTIONS)
        busy_s += time.perf_counter() - began
        for image, detections in zip(batch, seen, strict=True):
            for one in detections:
                category_id = truth.category_ids.get(one.class_name)
                if category_id is None:
                    unknown[one.class_name] = unknown.get(one.class_name, 0) + 1
                    continue
                x0, y0, x1, y1 = one.box_xyxy_px
                found.append({"image_id": image["id"], "category_id": category_id, "bbox": [x0, y0, x1 - x0, y1 - y0],
                              "score": one.score})  # fmt: skip
    return Seen(found, len(truth.images) / max(busy_s, 1e-9), unknown)
