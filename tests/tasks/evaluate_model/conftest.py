from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tasks.evaluate_model.truth import Truth

CLASSES = ("Tree", "Bush", "Rock")


def make_truth(
    boxes: Sequence[tuple[int, int, tuple[float, float, float, float]]], images: int, crowd: Sequence[int] = ()
) -> Truth:
    """Boxes are (image id, category id, (x, y, width, height))."""
    return Truth(
        dataset="trees:v1", classes=CLASSES,
        images=tuple({"id": i, "width": 100, "height": 100, "file_name": f"{i}.png", "md5": f"{i:032x}"}
                     for i in range(1, images + 1)),
        annotations=tuple({"id": n, "image_id": i, "category_id": c, "bbox": list(box), "area": box[2] * box[3],
                           "iscrowd": int(n in crowd)} for n, (i, c, box) in enumerate(boxes, start=1)),
    )  # fmt: skip


def random_truth(seed: int, images: int) -> Truth:
    """Some images without boxes, one class (Rock) without any, a few crowds."""
    rng = np.random.default_rng(seed)
    boxes = []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 7)):
            x, y, width, height = rng.uniform(0, 70), rng.uniform(0, 70), rng.uniform(8, 30), rng.uniform(8, 30)
            boxes.append((image, int(rng.integers(1, 3)), (x, y, width, height)))
    return make_truth(boxes, images, crowd=range(3, len(boxes), 17))


def noisy_detections(truth: Truth, seed: int, jitter_px: float) -> list[dict[str, Any]]:
    """Most true boxes, moved a little, some twice, and some out of the blue; scores with ties."""
    rng = np.random.default_rng(seed)
    found = []
    for one in truth.annotations:
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            box = (np.array(one["bbox"]) + rng.normal(0, jitter_px, 4)).clip(1).tolist()
            score = round(float(rng.beta(4, 2)), 2)
            found.append({"image_id": one["image_id"], "category_id": one["category_id"], "bbox": box, "score": score})
    for image in truth.images:
        box = [*rng.uniform(0, 60, 2).tolist(), 20.0, 20.0]
        found.append({"image_id": image["id"], "category_id": int(rng.integers(1, 4)), "bbox": box,
                      "score": round(float(rng.beta(2, 3)), 2)})  # fmt: skip
    return found


@pytest.fixture(scope="session")
def truth_with() -> Callable[..., Truth]:
    return make_truth


@pytest.fixture(scope="session")
def a_random_truth() -> Callable[..., Truth]:
    return random_truth


@pytest.fixture(scope="session")
def detections_of() -> Callable[..., list[dict[str, Any]]]:
    return noisy_detections
