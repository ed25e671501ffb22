from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import Bundle, Checkpoint, ParityReport
from include.bundles import open_archive
from include.errors import BadInputError
from include.storage import ContentStore, Store, open_store
from include.storage.content import content_key
from tasks.test_bundle.__main__ import fail_if_failed, work
from tasks.test_bundle.config import ParityConfig
from tasks.test_bundle.parity import check_bundle

CHECKPOINT = "runs/model__trees/r1/train_detector/card.json"
BUNDLE = "runs/model__trees/r1/pack_model/card.json"
INPUTS = {"checkpoint": CHECKPOINT, "bundle": BUNDLE}


def repacked(archive: bytes, folder: Path, change: Callable[[Path], None]) -> bytes:
    """The archive after `change` to its unpacked files."""
    opened = open_archive(archive, folder)
    change(opened.folder / "src")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(folder, ".")
    return out.getvalue()


def flip_a_byte(name: str, position: float) -> Callable[[Path], None]:
    def change(source: Path) -> None:
        data = bytearray((source / name).read_bytes())
        data[int(len(data) * position)] ^= 0xFF
        (source / name).write_bytes(data)

    return change


def swap_classes(source: Path) -> None:
    settings = json.loads((source / "model/detector.json").read_text())
    settings["classes"].reverse()
    (source / "model/detector.json").write_text(json.dumps(settings))


def drop_onnx(source: Path) -> None:
    (source / "model/detector.onnx").unlink()


def replace_weights(source: Path) -> None:
    """Weights that fit, of another training."""
    import torch

    state = torch.load(source / "model/weights.pt", weights_only=True)
    torch.save(
        {name: value * 1.1 if value.is_floating_point() else value for name, value in state.items()}, source / "model/weights.pt"
    )


def failures(packed: Store, archive: bytes, folder: Path) -> dict[str, str]:
    checkpoint, bundle = Checkpoint.load(packed, CHECKPOINT), Bundle.load(packed, BUNDLE)
    folder.mkdir()
    return {one.name: one.got for one in check_bundle(checkpoint, bundle, archive, folder, ParityConfig()) if not one.passed}


@pytest.fixture
def archive(packed: Store) -> bytes:
    return ContentStore(packed).get(Bundle.load(packed, BUNDLE).archive)


def test_untouched_bundle_passes_every_check(packed: Store, step_run: Any) -> None:
    step = step_run("test_bundle", ParityConfig(), packed, INPUTS)
    report = work(step)
    assert report.passed
    got = {check.name: check.got for check in report.checks}
    count = len(Checkpoint.load(packed, CHECKPOINT).reference.detections)
    assert count > 5
    assert got["detections of the PyTorch weights"] == f"{count} detections, identical"
    assert got["expected detections"] == f"{count} detections, identical"
    assert got["detections of the ONNX model"].startswith(f"{count} detections, ")
    assert set(got) == {
        "archive", "files", "checkpoint weights", "reference image", "classes", "detector configuration", "expected detections",
        "detections of the PyTorch weights", "detections of the ONNX model",
    }  # fmt: skip
    fail_if_failed(step, report)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (swap_classes, {"classes", "detections of the PyTorch weights", "detections of the ONNX model"}),
        (flip_a_byte("model/weights.pt", 0.5), {"checkpoint weights"}),
        (replace_weights, {"checkpoint weights", "detections of the PyTorch weights"}),
        (drop_onnx, {"detections of the ONNX model"}),
        (flip_a_byte("model/detector.onnx", 0.0), {"detections of the ONNX model"}),
        (flip_a_byte("reference/image", 0.0), {"reference image"}),
        (flip_a_byte("reference/detections.json", 0.0), {"expected detections"}),
        (flip_a_byte("service.py", 0.5), set()),
    ],
    ids=["classes swapped", "byte of weights", "other weights", "no onnx", "byte of onnx", "byte of image", "byte of expected",
         "byte of the service"],
)  # fmt: skip
def test_tampering_is_named(change: Any, names: set[str], packed: Store, archive: bytes, tmp_path: Path) -> None:
    found = failures(packed, repacked(archive, tmp_path / "tampered", change), tmp_path / "opened")
    assert found.keys() >= names | {"archive", "files"}
    assert "1 of 11 files differ: src/" in found["files"]


def test_truncated_archive_is_named(packed: Store, archive: bytes, tmp_path: Path) -> None:
    found = failures(packed, archive[: len(archive) // 2], tmp_path / "opened")
    assert set(found) == {"archive", "archive opens"}
    assert "bytes are no whole tar archive" in found["archive opens"]


def test_archive_that_leaves_its_folder_is_not_unpacked(packed: Store, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../escaped"))
    assert "archive opens" in failures(packed, out.getvalue(), tmp_path / "opened")
    assert not (tmp_path / "escaped").exists()


def test_failed_report_is_kept_and_then_ends_the_step_with_the_names(packed: Store, tmp_path: Path, step_run: Any) -> None:
    shutil.copytree(packed.url.removeprefix("file://"), tmp_path / "store")
    store = open_store(f"file://{tmp_path}/store")
    bundle = Bundle.load(store, BUNDLE)
    key = content_key(bundle.archive)
    store.write(key, repacked(store.read(key), tmp_path / "tampered", swap_classes))
    step = step_run("test_bundle", ParityConfig(), store, INPUTS)
    report = work(step)
    assert ParityReport.from_bytes(report.to_bytes(), "card") == report
    with pytest.raises(
        BadInputError,
        match=r"5 of 9 checks failed: archive: .*classes: got Bush, Tree, expected Tree, Bush",
    ):
        fail_if_failed(step, report)


def test_bundle_of_another_checkpoint_is_refused(packed: Store, tmp_path: Path, step_run: Any) -> None:
    shutil.copytree(packed.url.removeprefix("file://"), tmp_path / "store")
    store = open_store(f"file://{tmp_path}/store")
    other = "runs/model__trees/r2/train_detector/card.json"
    store.write(other, store.read(CHECKPOINT))
    with pytest.raises(BadInputError, match=r"was packed from .*/r1/.*, expected .*/r2/"):
        work(step_run("test_bundle", ParityConfig(), store, {**INPUTS, "checkpoint": other}))
