"""The HTTP service of a packed detector: post a picture, get its detections. Runs in the bundle, on onnxruntime alone.

    curl --data-binary @picture.jpg -H "Content-Type: image/jpeg" http://localhost:3000/detect

This file is copied into every bundle; it imports nothing but what lies beside it there.
"""

from __future__ import annotations

import json
from pathlib import Path

import bentoml
from bentoml.exceptions import InvalidArgument
from PIL import Image
from pydantic import BaseModel

from include.detector.onnx_inference import OnnxDetector
from include.upright import in_rgb

HERE = Path(__file__).resolve().parent
SETTINGS = json.loads((HERE / "model" / "detector.json").read_text())


class Detection(BaseModel):
    """One box: `x0, y0, x1, y1` in pixels of the picture as viewers show it (by its EXIF), class name, score in 0…1."""

    box_xyxy_px: tuple[float, float, float, float]
    class_name: str
    score: float


@bentoml.service(name=SETTINGS["model"], traffic={"timeout": SETTINGS["timeout_s"]})
class DetectorService:
    """Finds boxes in pictures."""

    def __init__(self) -> None:
        self.detector = OnnxDetector(HERE / "model" / "detector.onnx", SETTINGS["classes"])

    @bentoml.api  # type: ignore[untyped-decorator]  # bentoml 1.4 leaves it untyped
    def detect(self, picture: Path, /) -> list[Detection]:
        """The detections of one picture (the request's body, any format that Pillow reads), best first."""
        try:
            image = in_rgb(Image.open(picture))
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise InvalidArgument(f"the request's body is no picture that can be read: {type(error).__name__}") from None
        boxes, scores, labels = self.detector.detect_arrays([image], SETTINGS["min_score"], SETTINGS["max_detections"])[0]
        return [
            Detection(box_xyxy_px=tuple(box), class_name=self.detector.classes[label], score=score)
            for box, score, label in zip(boxes.tolist(), scores.tolist(), labels.tolist(), strict=True)
        ]
