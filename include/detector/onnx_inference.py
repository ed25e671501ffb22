"""The exported detector, run by onnxruntime: numpy and Pillow, no torch. What serves in production, and the check of it.

The ONNX file knows its classes and the side of its squares (metadata `visionloop`, JSON). A bundle carries this file and
letterbox.py beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image

from include.detector.letterbox import boxes_in_picture, letterboxed

if TYPE_CHECKING:
    from include.artifacts import Detection

METADATA = "visionloop"  # key in the ONNX metadata: {"classes": […], "image_px": …}
IMAGES_AT_ONCE = 16
Found = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # one square's boxes (K, 4), scores (K,), labels (K,)


def kept(found: Found, size_px: tuple[int, int], image_px: int, min_score: float, max_detections: int) -> Found:
    """What is sure enough and has an area inside the picture of `size_px` (width, height), best first, in its pixels.

    A score of 0 is never a detection: where a heat map has fewer peaks than K, the rest are fillers.
    """
    boxes, scores, labels = found
    order = np.argsort(-scores, kind="stable")
    boxes, scores, labels = boxes_in_picture(boxes[order], size_px, image_px), scores[order], labels[order]
    keep = (scores >= min_score) & (scores > 0) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return boxes[keep][:max_detections], scores[keep][:max_detections], labels[keep][:max_detections]


def as_detections(found: Found, classes: Sequence[str]) -> list[Detection]:
    """Arrays as artifacts."""
    from include.artifacts import Detection  # only here: a bundle that serves arrays needs none of the artifacts' imports

    return [
        Detection(box_xyxy_px=(box[0], box[1], box[2], box[3]), class_name=classes[label], score=score)
        for box, score, label in zip(*(array.tolist() for array in found), strict=True)
    ]


class OnnxDetector:
    """A detector from an ONNX file, or from its bytes, on the CPU. Deterministic for a number of threads."""

    def __init__(self, model: str | Path | bytes, classes: Sequence[str] | None = None, threads: int = 0) -> None:
        """`classes` default to those that the file names; `threads` 0 takes as many as the machine has, or OMP_NUM_THREADS.

        Raises ValueError where the file is no detector of ours, or was made for other classes.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or int(os.environ.get("OMP_NUM_THREADS") or 0)
        # threads that spin while they wait take twice as long beside other work
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        source = model if isinstance(model, bytes) else str(model)
        self.session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        metadata = self.session.get_modelmeta().custom_metadata_map
        if METADATA not in metadata:
            raise ValueError(f"the ONNX model has no {METADATA!r} metadata: it was not exported by Visionloop")
        about = json.loads(metadata[METADATA])
        self.image_px, self.classes = int(about["image_px"]), tuple(about["classes"])
        if classes is not None and tuple(classes) != self.classes:
            raise ValueError(f"the ONNX model detects {list(self.classes)}, expected {list(classes)}")

    def detect_arrays(self, images: Sequence[Image.Image], min_score: float = 0.05, max_detections: int = 100) -> list[Found]:
        """Per image: boxes (K, 4) x0 y0 x1 y1 in its pixels, scores (K,) falling, class indices (K,)."""
        found: list[Found] = []
        for start in range(0, len(images), IMAGES_AT_ONCE):
            squares = letterboxed(images[start : start + IMAGES_AT_ONCE], self.image_px)
            found += zip(*self.session.run(["boxes", "scores", "labels"], {"images": squares}), strict=True)
        return [kept(one, image.size, self.image_px, min_score, max_detections) for one, image in zip(found, images, strict=True)]

    def detect(self, images: Sequence[Image.Image], min_score: float = 0.05, max_detections: int = 100) -> list[list[Detection]]:
        """As Detector.detect."""
        return [as_detections(one, self.classes) for one in self.detect_arrays(images, min_score, max_detections)]
