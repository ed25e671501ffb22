"""The whole loop with its steps in real containers: killed on the way, stopped on the way, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.lineage import Lineage
from include.storage.addresses import ModelName
from tests.end_to_end import shapes
from tests.end_to_end.loop import DAGS, Loop

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
LOCAL_BASE = "visionloop-base:bookworm"  # .ci/docker-engine.sh makes it


def docker(*words, check=True):
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=120, check=check)


def containers(loop, step=None):
    """Ids of this stack's containers, of one step if it is named."""
    chosen = ["--filter", f"label=visionloop.home={loop.home.path}"]
    chosen += ["--filter", f"label=visionloop.step={step}"] if step else []
    return docker("ps", "--all", "--quiet", "--no-trunc", *chosen).stdout.split()


@pytest.fixture(scope="module")
def engine():
    """Skips where no engine answers."""
    try:
        docker("info")
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no Docker engine answers: {getattr(error, 'stderr', None) or error}")


def build_images(home):
    """The step images of this checkout, noted in this home; seconds, where they were built before."""
    environment = os.environ | {"VISIONLOOP_HOME": str(home)}
    if docker("image", "inspect", LOCAL_BASE, check=False).returncode == 0:
        environment.setdefault("BASE_IMAGE", LOCAL_BASE)
    built = subprocess.run(
        [sys.executable, ROOT / "images" / "build.py"], env=environment, capture_output=True, text=True, timeout=800, check=False
    )
    assert built.returncode == 0, built.stderr


@pytest.fixture(scope="module")
def loop(engine, tmp_path_factory):
    loop = Loop(tmp_path_factory.mktemp("loop"), epochs=60, VISIONLOOP_RUNTIME="docker", VISIONLOOP_GPUS="0")
    build_images(loop.home.path)
    try:
        loop.up()
        yield loop
    finally:
        loop.close()
        assert containers(loop) == []


def training(loop):
    """The container of a training that is under way: it has its pictures and its MLflow run."""

    def check():
        found = containers(loop, "train_detector")
        return found if found and "val pictures of shapes" in docker("logs", found[0], check=False).stderr else None

    (container,) = loop.until(check, "the training to be under way")
    return container


def test_labels_that_land_become_a_champion(loop):
    shapes.deliver(loop.store, "day-1", first_seed=0)
    (decision,) = loop.decided(1)
    assert decision.decision == "promoted"
    assert [[run["run_type"] for run in loop.runs(dag_id)] for dag_id in DAGS] == [["asset_triggered"]] * len(DAGS)
    assert containers(loop) == []


def test_the_champion_knows_the_image_that_made_it(loop):
    tags = Lineage().model_version(ModelName("shapes", "champion")).tags
    image = tags["visionloop.environment"]
    assert image.startswith("sha256:")
    assert docker("image", "inspect", "--format", "{{.Config.User}}", image).stdout.strip() == "10001"


def test_a_container_killed_in_mid_training_changes_nothing_in_the_result(loop):
    before = loop.promotions()
    shapes.deliver(loop.store, "day-2", first_seed=100)
    docker("kill", training(loop))
    assert len(loop.decided(len(before) + 1)) == len(before) + 1
    trained = loop.task("model__shapes", "train_detector")
    assert (trained.state, trained.try_number) == ("success", 2)
    assert containers(loop) == []


def test_down_in_mid_training_leaves_no_container_and_up_goes_on(loop):
    before = loop.promotions()
    shapes.deliver(loop.store, "day-3", first_seed=200)
    training(loop)
    loop.down()
    assert containers(loop) == []
    assert loop.processes() == []
    loop.up()
    assert len(loop.decided(len(before) + 1, within_s=400)) == len(before) + 1
    assert loop.versions() == ["v1", "v2", "v3"]
    assert containers(loop) == []
