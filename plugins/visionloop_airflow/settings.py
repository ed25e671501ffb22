"""Where this installation keeps things. Addresses and switches only; read from the environment in this one place."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from include.errors import ConfigError
from include.labelling.sources import TOKEN, WEBHOOK_SECRET, of_source

ROOT = Path(__file__).resolve().parents[2]
FOR_STEPS = (
    "VISIONLOOP_STORE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN",
)  # fmt: skip
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# What no step inherits from its worker: keys and tokens of other steps and sources
NOT_INHERITED = (*KEYS, TOKEN, WEBHOOK_SECRET)
NEVER_LOGGED = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", TOKEN)
Runtime = Literal["process", "docker"]


def home() -> Path:
    """Local state: process records and the ids of the built images."""
    return Path(os.environ.get("VISIONLOOP_HOME") or ROOT / ".visionloop")


def runtime() -> Runtime:
    """How steps run here. Raises ConfigError for a runtime that does not exist."""
    chosen = os.environ.get("VISIONLOOP_RUNTIME") or "process"
    if chosen not in ("process", "docker"):
        raise ConfigError(f"VISIONLOOP_RUNTIME: got {chosen!r}, expected process or docker")
    return cast(Runtime, chosen)


def gpus() -> int:
    """How many GPUs the steps share here: slots of Airflow's pool `gpu`. Raises ConfigError for what is no number."""
    said = os.environ.get("VISIONLOOP_GPUS") or "1"
    if not said.isdecimal():
        raise ConfigError(f"VISIONLOOP_GPUS: got {said!r}, expected how many GPUs there are, 0 to run without")
    return int(said)


def may_use_gpus() -> bool:
    """VISIONLOOP_GPUS=0 runs the same DAGs without GPUs."""
    return gpus() > 0


def step_python(image: str) -> Path:
    """The interpreter of the environment that stands for an image in the process runtime."""
    return Path(os.environ.get("VISIONLOOP_VENVS") or ROOT / ".venv") / image / "bin" / "python"


def image_id(image: str) -> str:
    """The digest of a built image. Raises ConfigError before `make images`."""
    path = Path(os.environ.get("VISIONLOOP_IMAGES") or home() / "images.json")
    try:
        return str(json.loads(path.read_text())[image])
    except (FileNotFoundError, KeyError):
        raise ConfigError(f"{path}: no image {image!r}; build it with `make images`") from None


@cache
def lock_digest(image: str) -> str:
    """What names an environment in the process runtime: the hash of its lock."""
    return "lock:" + hashlib.sha256((ROOT / "images" / image / "requirements.lock").read_bytes()).hexdigest()


@cache
def git_commit() -> str:
    """The commit of this checkout, or of the image that this runs in; `-dirty` if files differ from it; `unknown` outside git."""
    if built_from := os.environ.get("VISIONLOOP_GIT_COMMIT"):
        return built_from
    git = shutil.which("git")
    if git is None:
        return "unknown"

    def ask(*words: str) -> str:
        return subprocess.run([git, "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return ask("rev-parse", "HEAD") + ("-dirty" if ask("status", "--porcelain", "--untracked-files=no") else "")
    except subprocess.CalledProcessError:
        return "unknown"


def addresses_and_secrets(step: str) -> dict[str, str]:
    """What a step needs to reach the store and MLflow. `AWS_ACCESS_KEY_ID__<STEP>` brings keys of its own, all or none."""
    own = {name: value for name in KEYS if (value := os.environ.get(f"{name}__{step.upper()}"))}
    shared = {name: value for name in FOR_STEPS if (value := os.environ.get(name))}
    return {name: value for name, value in shared.items() if name not in KEYS} | own if own else shared


def labels_token(config: Mapping[str, Any]) -> dict[str, str]:
    """The token of the service that a step is told to ask for labels; never another source's. Without one, the step says so."""
    if not config.get("service"):
        return {}
    token = os.environ.get(of_source(TOKEN, str(config.get("source")))) or os.environ.get(TOKEN)
    return {TOKEN: token} if token else {}


def docker_network() -> str:
    """The containers' network; `host` by default, because the embedded stack listens on loopback only."""
    return os.environ.get("VISIONLOOP_DOCKER_NETWORK") or "host"
