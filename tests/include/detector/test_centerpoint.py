from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from include.artifacts import Detection
from include.detector.base import Detector
from include.detector.families import build_detector
from include.detector.onnx_inference import OnnxDetector
from include.errors import ConfigError

CLASSES = ("Tree", "Bush")
SETTINGS = {"family": "centerpoint", "image_px": 64, "width": 8}


def noise(seed: int, size: tuple[int, int] = (90, 60)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.manual_seed(0)
    made = build_detector(SETTINGS, CLASSES)
    made.train()
    with torch.no_grad():
        for parameter in made.parameters():  # an untrained heat map is so flat that rounding decides what is a peak
            parameter.add_(torch.randn_like(parameter) * 0.2)
        for _ in range(3):  # batch norms that have seen something
            made.decode(torch.rand(4, 3, 64, 64))
    return made


def test_detections_are_sorted_inside_the_picture_and_repeatable(detector: Detector) -> None:
    pictures = [noise(0), noise(1, (30, 200))]
    found = detector.detect(pictures, min_score=0.0)
    assert found == detector.detect(pictures, min_score=0.0)
    for picture, detections in zip(pictures, found, strict=True):
        assert 0 < len(detections) <= 100
        assert [one.score for one in detections] == sorted((one.score for one in detections), reverse=True)
        for one in detections:
            x0, y0, x1, y1 = one.box_xyxy_px
            assert 0 <= x0 < x1 <= picture.width
            assert 0 <= y0 < y1 <= picture.height
            assert one.class_name in CLASSES


def test_a_picture_is_read_the_same_alone_and_in_company(detector: Detector) -> None:
    pictures = [noise(seed) for seed in range(18)]  # more than one batch
    together, alone = detector.detect(pictures, 0.0), detector.detect(pictures[17:], 0.0)
    assert [one.score for one in together[17]] == pytest.approx([one.score for one in alone[0]], abs=1e-5)


def test_limits_are_kept(detector: Detector) -> None:
    assert len(detector.detect([noise(0)], min_score=0.0, max_detections=3)[0]) == 3
    assert detector.detect([noise(0)], min_score=1.1) == [[]]
    assert detector.detect([]) == []


def test_detecting_leaves_the_training_mode_alone(detector: Detector) -> None:
    detector.train()
    detector.detect([noise(0)])
    assert detector.training


def test_weights_of_another_detector_are_refused(detector: Detector) -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        build_detector({**SETTINGS, "width": 16}, CLASSES).load_weights(detector.weights())


def test_weights_come_back(detector: Detector) -> None:
    other = build_detector(detector.config, CLASSES)
    other.load_weights(detector.weights())
    assert other.detect([noise(3)], 0.0) == detector.detect([noise(3)], 0.0)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"family": "yolo"}, "got 'yolo', expected one of centerpoint, rt_detr_v2"),
        ({"family": "centerpoint", "image_px": 100}, "image_px: got 100"),
        ({"family": "centerpoint", "depth": 3}, "depth: unknown key"),
        ({"family": "rt_detr_v2", "size": "huge"}, "size: got 'huge'"),
    ],
    ids=["family", "size", "key", "rt_detr"],
)
def test_wrong_configuration_is_named(config: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build_detector(config, CLASSES)


def is_in(one: Detection, others: list[Detection]) -> bool:
    """Equal scores may come in another order."""
    return any(
        one.class_name == other.class_name
        and one.score == pytest.approx(other.score, abs=1e-4)
        and one.box_xyxy_px == pytest.approx(other.box_xyxy_px, abs=0.01)
        for other in others
    )


def test_onnx_file_finds_the_same_and_knows_its_classes(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "detector.onnx"
    detector.export_onnx(path)
    assert [one.name for one in tmp_path.iterdir()] == ["detector.onnx"]  # no .onnx.data beside it
    exported = OnnxDetector(path.read_bytes())
    assert exported.classes == CLASSES
    pictures = [noise(0), noise(1, (30, 200)), noise(2, (64, 64))]
    expected, found = detector.detect(pictures, 0.0), exported.detect(pictures, 0.0)
    for ours, theirs in zip(expected, found, strict=True):
        assert all(is_in(one, theirs) for one in ours[:50])
    with pytest.raises(ValueError, match="expected \\['Car'\\]"):
        OnnxDetector(path, ["Car"])


def test_onnx_file_of_something_else_is_refused() -> None:
    import onnx

    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "other", ends[:1], ends[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    with pytest.raises(ValueError, match="was not exported by Visionloop"):
        OnnxDetector(model.SerializeToString())
