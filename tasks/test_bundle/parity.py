"""The checks: is what was packed still what was trained? None of them stops the others."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from include import bundles
from include.artifacts import Bundle, Check, Checkpoint, Detection
from include.bundles import OpenedBundle, open_archive
from include.detector.families import build_detector
from include.detector.onnx_inference import OnnxDetector
from include.errors import StepError
from include.storage.content import md5_of
from include.upright import in_rgb
from tasks.test_bundle.config import ParityConfig
from tasks.test_bundle.detections import compare

SHOWN = 5  # files named in a check; the count tells of the rest


def check_bundle(checkpoint: Checkpoint, bundle: Bundle, archive: bytes, folder: Path, config: ParityConfig) -> tuple[Check, ...]:
    """Every check, in order; `folder` is empty, for the unpacked archive. An archive that cannot be opened ends them."""
    checks = [_equal("archive", md5_of(archive), bundle.archive)]
    try:
        opened = open_archive(archive, folder)
    except StepError as error:
        return (*checks, Check(name="archive opens", passed=False, got=str(error), expected="a whole tar archive"))
    return (
        *checks,
        _files(opened.hashes(), bundle.files),
        _tried("checkpoint weights", checkpoint.best_weights, lambda: md5_of(opened.path(bundles.WEIGHTS).read_bytes())),
        _tried("reference image", checkpoint.reference.image, lambda: md5_of(opened.path(bundles.REFERENCE_IMAGE).read_bytes())),
        _tried("classes", ", ".join(checkpoint.classes), lambda: ", ".join(opened.settings["classes"])),
        _tried("detector configuration", str(checkpoint.detector), lambda: str(opened.settings["detector"])),
        _detections("expected detections", checkpoint, config, lambda: opened.expected),
        _detections("detections of the PyTorch weights", checkpoint, config, lambda: _by_torch(opened)),
        _detections("detections of the ONNX model", checkpoint, config, lambda: _by_onnx(opened)),
    )


def _equal(name: str, got: str, expected: str) -> Check:
    return Check(name=name, passed=got == expected, got=got, expected=expected)


def _tried(name: str, expected: str, read: Callable[[], str]) -> Check:
    try:
        return _equal(name, read(), expected)
    except Exception as error:  # whatever a damaged file leads to is this check's result
        return Check(name=name, passed=False, got=f"{type(error).__name__}: {error}", expected=expected)


def _files(got: dict[str, str], expected: dict[str, str]) -> Check:
    names = sorted(got.keys() | expected.keys())
    wrong = [
        f"{name} {_md5(got, name)} (expected {_md5(expected, name)})" for name in names if got.get(name) != expected.get(name)
    ]
    told = (
        f"{len(wrong)} of {len(names)} files differ: {'; '.join(wrong[:SHOWN])}"
        if wrong
        else f"{len(names)} files as on the card"
    )
    return Check(name="files", passed=not wrong, got=told, expected=f"{len(expected)} files as on the card")


def _md5(files: dict[str, str], name: str) -> str:
    return files[name][:8] if name in files else "missing"


def _detections(name: str, checkpoint: Checkpoint, config: ParityConfig, detect: Callable[[], Sequence[Detection]]) -> Check:
    expected = (
        f"the {len(checkpoint.reference.detections)} reference detections, boxes within {config.box_tolerance_px:g} px, "
        f"scores within {config.score_tolerance:g}"
    )
    try:
        result = compare(detect(), checkpoint.reference.detections, config)
    except Exception as error:  # as above
        return Check(name=name, passed=False, got=f"{type(error).__name__}: {error}", expected=expected)
    return Check(name=name, passed=not result.unmatched, got=result.text, expected=expected)


def _picture(opened: OpenedBundle) -> Image.Image:
    return in_rgb(Image.open(io.BytesIO(opened.path(bundles.REFERENCE_IMAGE).read_bytes())))


def _by_torch(opened: OpenedBundle) -> list[Detection]:
    detector = build_detector(opened.settings["detector"], opened.settings["classes"])
    detector.load_weights(opened.path(bundles.WEIGHTS).read_bytes())
    return detector.detect([_picture(opened)])[0]


def _by_onnx(opened: OpenedBundle) -> list[Detection]:
    return OnnxDetector(opened.path(bundles.ONNX), opened.settings["classes"]).detect([_picture(opened)])[0]
