"""A step of one's own, as small as can be: `fake` does what its --config says, in the runtime under test."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from include.step.plate import StepPlate
from visionloop_airflow import settings

FAKE = '''
"""Does what --config says: exit, say, sleep, write, take memory, run a piece of code."""
import json, os, pathlib, sys, time
config = json.loads(sys.argv[sys.argv.index("--config") + 1])
if "show" in config:
    pathlib.Path(config["show"]).write_text(json.dumps({"argv": sys.argv[1:], "env": dict(os.environ)}))
for line in config.get("say", []):
    sys.stderr.write(line + "\\n")
    sys.stderr.flush()
if "count" in config:
    with open(config["count"], "a") as file:
        file.write("x")
if config.get("child"):
    import subprocess
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
time.sleep(config.get("sleep_s", 0))
hog = bytearray(config.get("hog_mb", 0) * 2**20)
for page in range(0, len(hog), 4096):
    hog[page] = 1
if "run" in config:
    exec(config["run"])
if config.get("bug"):
    raise KeyError("a bug")
sys.exit(config.get("exit", 0))
'''


class StateStore(dict):
    """Airflow's task state store, as far as it is used."""

    def set(self, key, value):
        self[key] = value

    def delete(self, key):
        self.pop(key, None)


@pytest.fixture
def plate():
    return StepPlate(name="fake", image="data", output="bundle", cpus=1, memory_mb=64, time_limit_minutes=1)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout whose only step is `fake`; its data environment is this one."""
    step = tmp_path / "root" / "tasks" / "fake"
    step.mkdir(parents=True)
    (step / "__main__.py").write_text(FAKE)
    lock = tmp_path / "root" / "images" / "data" / "requirements.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("nothing==1")
    python = tmp_path / "venvs" / "data" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.setattr(settings, "ROOT", tmp_path / "root")
    monkeypatch.setenv("VISIONLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISIONLOOP_VENVS", str(tmp_path / "venvs"))
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    settings.lock_digest.cache_clear()
    yield tmp_path / "root"
    settings.lock_digest.cache_clear()


def make_context(run_id="manual__2026-01-01T00:00:00+00:00", store=None):
    """What Airflow hands to a task."""
    ti = SimpleNamespace(
        dag_id="model__cells", run_id=run_id, task_id="fake", try_number=1, stats_tags={}, xcom_push=lambda **_: None
    )
    run = SimpleNamespace(triggering_user_name="ada", run_type="manual", run_after=datetime(2026, 1, 1))
    return {"ti": ti, "dag_run": run, "task_state_store": StateStore() if store is None else store}


@pytest.fixture
def context():
    return make_context()


def read_shown(path: Path):
    return json.loads(path.read_text())
