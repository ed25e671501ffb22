"""The images as they are run: by id, read-only, without capabilities, without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from images import build

LOCAL_BASE = "visionloop-base:bookworm"  # .ci/docker-engine.sh makes it
STEPS = {path.parent.name: str(tomllib.loads(path.read_text())["image"]) for path in sorted(build.ROOT.glob("tasks/*/step.toml"))}
HARDENED = ("--read-only", "--tmpfs", "/tmp:rw,exec,mode=1777", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")

# the first build downloads and installs everything
pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def build_images(client: str, home: Path) -> dict[str, str]:
    """`make images` with a home of its own: image name → id."""
    environment = os.environ | {"VISIONLOOP_HOME": str(home)}
    if subprocess.run([client, "image", "inspect", LOCAL_BASE], capture_output=True).returncode == 0:
        environment.setdefault("BASE_IMAGE", LOCAL_BASE)
    done = subprocess.run([sys.executable, build.__file__], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads((home / "images.json").read_text()))


@pytest.fixture(scope="module")
def client() -> str:
    try:
        return build.docker_client()
    except SystemExit as nothing:
        pytest.skip(str(nothing))


@pytest.fixture(scope="module")
def images(client: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return build_images(client, tmp_path_factory.mktemp("home"))


def run(client: str, image: str, *command: str) -> str:
    """What a command says in a container that may do as little as a step's. Fails unless it ends well."""
    words = [client, "run", "--rm", "--network", "none", *HARDENED, image, *command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_step_has_an_image_that_is_built() -> None:
    assert set(STEPS.values()) == set(build.STEP_IMAGES)


@pytest.mark.parametrize("step", STEPS)
def test_step_starts_in_its_image(client: str, images: dict[str, str], step: str) -> None:
    assert f"python -m tasks.{step}" in run(client, images[STEPS[step]], "python", "-u", "-m", f"tasks.{step}", "--help")


@pytest.mark.parametrize(
    ("image", "modules"),
    [
        ("data", "great_expectations, mlflow, obstore, pyarrow"),
        ("torch", "torch, transformers, bentoml, onnxruntime, mlflow, obstore"),
    ],
    ids=["data", "torch"],
)
def test_its_libraries_work_on_a_read_only_root(client: str, images: dict[str, str], image: str, modules: str) -> None:
    run(client, images[image], "python", "-W", "ignore", "-c", f"import {modules}")


def test_the_data_image_has_no_torch(client: str, images: dict[str, str]) -> None:
    probe = "import importlib.util as u; print(u.find_spec('torch'))"
    assert run(client, images["data"], "python", "-c", probe).strip() == "None"


@pytest.mark.parametrize("image", build.STEP_IMAGES)
class TestEachImage:
    def test_runs_as_nobody_in_particular(self, client: str, images: dict[str, str], image: str) -> None:
        assert run(client, images[image], "sh", "-c", "id -u; id -g; grep CapEff /proc/self/status").split() == [
            "10001",
            "10001",
            "CapEff:",
            "0000000000000000",
        ]

    def test_may_not_change_its_own_code(self, client: str, images: dict[str, str], image: str) -> None:
        """Not even on a writable root."""
        writable = "find /opt ! -type l -writable | head; ls -A /tmp"
        done = subprocess.run(
            [client, "run", "--rm", "--network", "none", images[image], "sh", "-c", writable], capture_output=True
        )
        assert (done.returncode, done.stdout) == (0, b"")

    def test_is_compiled_already(self, client: str, images: dict[str, str], image: str) -> None:
        """Nothing can be compiled on a read-only root: it would be done again at every start."""
        verbose = run(client, images[image], "sh", "-c", "python -v -c 'import include.step.run, mlflow, pyarrow' 2>&1")
        origins = [line.split("code object from ")[1] for line in verbose.splitlines() if line.startswith("# code object from ")]
        assert any(origin.startswith("'/opt/visionloop/include/") for origin in origins)
        assert [origin for origin in origins if not origin.endswith(".pyc'")] == []

    def test_keeps_nothing_of_the_building_machine(self, client: str, images: dict[str, str], image: str) -> None:
        """No wheel, no certificates, and no index with a password in it."""
        leftovers = (
            "find /opt /tmp /root /home -name '*.whl' -o -name 'ca-certificates*' -o -name 'requirements*.lock' 2>/dev/null"
        )
        assert run(client, images[image], "sh", "-c", f"{leftovers}; true") == ""
        history = subprocess.run(
            [client, "history", "--no-trunc", "--format", "{{.CreatedBy}}", images[image]],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "useradd" in history.stdout
        assert "PIP_" not in history.stdout

    def test_is_the_same_when_built_again(self, client: str, images: dict[str, str], image: str, tmp_path: Path) -> None:
        assert build_images(client, tmp_path)[image] == images[image]


def test_no_engine_is_said_plainly(tmp_path: Path) -> None:
    """Wherever the engine should be, nobody answers."""
    environment = os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/no.sock", "VISIONLOOP_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, build.__file__], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("cannot build images: no Docker client and engine that can\n")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "images.json").exists()


def test_an_image_that_does_not_exist_is_named() -> None:
    done = subprocess.run([sys.executable, build.__file__, "toch"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "no image toch; there are airflow, data, mlflow, torch" in done.stderr
