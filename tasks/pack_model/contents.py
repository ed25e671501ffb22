"""What goes into a bundle: everything that serving needs, and what proves that it serves as it was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from include import bundles
from include.artifacts import Checkpoint
from include.detector.families import build_detector
from include.errors import BadInputError
from tasks.pack_model.config import PackConfig

ROOT = Path(__file__).resolve().parents[2]
# the code that the service imports, under the names by which it imports it
SERVED_CODE = ("include/detector/letterbox.py", "include/detector/onnx_inference.py", "include/upright.py")


def write_contents(folder: Path, checkpoint: Checkpoint, weights: bytes, image: bytes, config: PackConfig) -> None:
    """Fill `folder`. Raises BadInputError where the weights do not fit the configuration that the checkpoint names."""
    detector = build_detector(checkpoint.detector, checkpoint.classes)
    try:
        detector.load_weights(weights)
    except RuntimeError as error:
        raise BadInputError(
            f"checkpoint of {checkpoint.model}: weights {checkpoint.best_weights} do not fit its detector configuration: {error}"
        ) from None
    settings = {
        "model": checkpoint.model,
        "classes": list(checkpoint.classes),
        "detector": checkpoint.detector,
        "dataset": checkpoint.dataset,
        **config.model_dump(),
    }
    detections = [one.model_dump(mode="json") for one in checkpoint.reference.detections]
    files = {
        bundles.WEIGHTS: weights,
        bundles.SETTINGS: json.dumps(settings, indent=1, sort_keys=True).encode(),
        bundles.REFERENCE_IMAGE: image,
        bundles.REFERENCE_DETECTIONS: json.dumps(detections, indent=1).encode(),
        bundles.SERVICE: (Path(__file__).parent / "service.py").read_bytes(),
        "include/__init__.py": b"",  # not ours: a bundle must not depend on what they may import one day
        "include/detector/__init__.py": b"",
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for name in SERVED_CODE:
        shutil.copyfile(ROOT / name, folder / name)
    detector.export_onnx(folder / bundles.ONNX)
