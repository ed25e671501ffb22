from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import Bundle, Checkpoint
from include.bundles import open_archive
from include.errors import BadInputError, StepError
from include.storage import ContentStore, Store
from tasks.pack_model.__main__ import work
from tasks.pack_model.bento import build_archive
from tasks.pack_model.config import PackConfig

ROOT = Path(__file__).resolve().parents[3]
CHECKPOINT = "runs/model__trees/r1/train_detector/card.json"
BUNDLE = "runs/model__trees/r1/pack_model/card.json"


def test_bundle_card_names_every_content_file(packed: Store, tmp_path: Path) -> None:
    bundle, checkpoint = Bundle.load(packed, BUNDLE), Checkpoint.load(packed, CHECKPOINT)
    opened = open_archive(ContentStore(packed).get(bundle.archive), tmp_path)
    assert set(bundle.files) == {
        "src/service.py", "src/model/detector.onnx", "src/model/weights.pt", "src/model/detector.json", "src/reference/image",
        "src/reference/detections.json", "src/include/__init__.py", "src/include/detector/__init__.py",
        "src/include/detector/letterbox.py", "src/include/detector/onnx_inference.py", "src/include/upright.py",
    }  # fmt: skip
    assert bundle.files["src/model/weights.pt"] == checkpoint.best_weights
    assert bundle.files["src/reference/image"] == checkpoint.reference.image
    assert opened.settings["classes"] == ["Tree", "Bush"]
    assert opened.settings["detector"] == checkpoint.detector
    assert opened.expected == checkpoint.reference.detections


@pytest.mark.integration
def test_archive_is_the_same_when_packed_again(packed: Store, step_run: Any) -> None:
    again = work(step_run("pack_model", PackConfig(), packed, {"checkpoint": CHECKPOINT}, run="r2"))
    first = Bundle.load(packed, BUNDLE)
    assert (again.archive, again.tag, again.files) == (first.archive, first.tag, first.files)


def test_archive_has_no_path_of_this_machine(packed: Store) -> None:
    archive = ContentStore(packed).get(Bundle.load(packed, BUNDLE).archive)
    assert str(ROOT).encode() not in archive
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert {(one.mtime, one.uid, one.uname) for one in tar.getmembers()} == {(0, 0, "")}


def test_weights_of_another_detector_are_refused(store: Store, put_checkpoint: Any, step_run: Any) -> None:
    card = put_checkpoint(store)
    store.write(CHECKPOINT, card.model_copy(update={"detector": {**card.detector, "width": 16}}).to_bytes())
    with pytest.raises(BadInputError, match=r"weights [0-9a-f]{32} do not fit"):
        work(step_run("pack_model", PackConfig(), store, {"checkpoint": CHECKPOINT}))


def test_service_that_cannot_be_imported_is_told_with_its_error(tmp_path: Path) -> None:
    contents, scratch = tmp_path / "contents", tmp_path / "scratch"
    contents.mkdir()
    scratch.mkdir()
    (contents / "service.py").write_text("import no_such_module_at_all\n")
    with pytest.raises(StepError, match=r"could not build trees:1 [\s\S]*no_such_module_at_all"):
        build_archive(contents, "trees:1", datetime(2026, 1, 1, tzinfo=UTC), scratch)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post(port: int, body: bytes) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/detect", body, {"Content-Type": "image/png"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        assert server.poll() is None, "bentoml serve ended"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail("bentoml serve was not ready within a minute")


@pytest.mark.integration
def test_imported_archive_serves_the_expected_detections(packed: Store, tmp_path: Path) -> None:
    bundle, content = Bundle.load(packed, BUNDLE), ContentStore(packed)
    checkpoint = Checkpoint.load(packed, CHECKPOINT)
    (tmp_path / "bundle.tar").write_bytes(content.get(bundle.archive))
    env = {"PATH": os.environ["PATH"], "BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "True",
           "HOME": "/nonexistent", "OMP_NUM_THREADS": "1"}  # fmt: skip
    bentoml = [sys.executable, "-m", "bentoml"]
    subprocess.run([*bentoml, "import", str(tmp_path / "bundle.tar")], env=env, check=True, capture_output=True, cwd=tmp_path)
    port = free_port()
    command = [*bentoml, "serve", bundle.tag, "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until_ready(port, server)
        got = post(port, content.get(checkpoint.reference.image))
        with pytest.raises(urllib.error.HTTPError) as no_picture:
            post(port, b"this is no picture")
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # it has nothing to save; by itself it may take half a minute on a busy machine
        server.wait()
    expected = checkpoint.reference.detections
    assert expected
    assert [one["class_name"] for one in got] == [one.class_name for one in expected]
    assert [one["score"] for one in got] == pytest.approx([one.score for one in expected], abs=1e-3)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours["box_xyxy_px"] == pytest.approx(theirs.box_xyxy_px, abs=0.5)
    assert no_picture.value.code == 400
    assert "no picture" in no_picture.value.read().decode()
    no_picture.value.close()


@pytest.mark.integration
def test_step_killed_half_way_and_run_again_ends_as_if_never_killed(packed: Store, tmp_path: Path) -> None:
    shutil.copytree(packed.url.removeprefix("file://"), tmp_path / "store")
    (tmp_path / "store" / BUNDLE).unlink()
    bare = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": str(tmp_path)}  # as in the image: no tool from outside
    env = {**os.environ, "VISIONLOOP_STORE": f"file://{tmp_path}/store", **bare}
    command = [
        sys.executable,
        "-m",
        "tasks.pack_model",
        "--input",
        f"checkpoint={CHECKPOINT}",
        "--output",
        BUNDLE.rpartition("/")[0],
    ]
    first = subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("pack_model-*/build/bentoml")):  # BentoML is at work
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.02)
    first.kill()
    first.wait()
    assert not (tmp_path / "store" / BUNDLE).exists()
    subprocess.run(command, env=env, cwd=ROOT, check=True, capture_output=True)
    again, never_killed = Bundle.from_bytes((tmp_path / "store" / BUNDLE).read_bytes(), BUNDLE), Bundle.load(packed, BUNDLE)
    assert again.model_dump(exclude={"made_by"}) == never_killed.model_dump(exclude={"made_by"})
