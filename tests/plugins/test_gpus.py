"""GPUs are shared out: the pool that Airflow's own components make in a database of their own, and which job gets which."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.errors import ConfigError
from include.step.plate import StepPlate
from visionloop_airflow.container_step import place

ROOT = Path(__file__).resolve().parents[2]
START = "from airflow.jobs.job import Job; Job()"  # what scheduler, triggerer and dag-processor do first
SLOTS = """
from airflow.models.pool import Pool
found = Pool.get_pool("gpu")
print("slots", found.slots if found else None)
"""
SET_TO_3 = "Pool.create_or_update_pool('gpu', 3, '', include_deferred=False)"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """Runs Python beside an Airflow database that nobody else has."""
    home = tmp_path_factory.mktemp("airflow")
    settings = {
        "AIRFLOW_HOME": str(home), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db", "PYTHONPATH": str(ROOT),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }  # fmt: skip

    def run(code, **more):
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=os.environ | settings | more, cwd=home, capture_output=True, text=True, check=True)

    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env=os.environ | settings, cwd=home, capture_output=True, check=True)
    return run


def test_the_pool_is_made_once_and_stays_as_somebody_set_it(airflow):
    assert "slots None" in airflow(START + SLOTS, VISIONLOOP_GPUS="0").stdout
    wrong = airflow(START, VISIONLOOP_GPUS="two")
    assert "VISIONLOOP_GPUS: got 'two', expected how many GPUs there are" in wrong.stdout + wrong.stderr
    assert "slots 2" in airflow(START + SLOTS + SET_TO_3, VISIONLOOP_GPUS="2").stdout
    assert "slots 3" in airflow(START + SLOTS, VISIONLOOP_GPUS="2").stdout


def test_a_step_that_would_wait_for_ever_is_an_error_when_its_dag_is_parsed(monkeypatch):
    plate = StepPlate(name="fake", image="data", output="bundle", cpus=1, memory_mb=64, time_limit_minutes=1, gpus=2)
    monkeypatch.delenv("VISIONLOOP_GPUS", raising=False)
    with pytest.raises(ConfigError, match=r"tasks/fake/step.toml asks for 2 GPUs, but VISIONLOOP_GPUS says that there are 1"):
        place(plate)
    monkeypatch.setenv("VISIONLOOP_GPUS", "2")
    assert place(plate) == {"pool": "gpu", "pool_slots": 2}
