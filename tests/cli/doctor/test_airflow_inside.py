"""In Airflow's real environment, with a database that is not what the code wants."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.doctor import airflow_inside
from tests.cli.doctor.conftest import states

AIRFLOW = Path(sys.prefix).parent / "airflow" / "bin"
pytestmark = pytest.mark.integration


@pytest.fixture
def airflow(tmp_path, place):
    """Whose alerts go to $VISIONLOOP_PAGER."""
    if not AIRFLOW.exists():
        pytest.skip("no airflow environment: python3 images/install.py airflow")
    (tmp_path / "alerting").mkdir()
    (tmp_path / "alerting" / "oncall.yaml").write_text("owner: ada\nurls_in: VISIONLOOP_PAGER\n")
    settings = {
        "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "VISIONLOOP_DEFINITIONS": str(tmp_path),
    }  # fmt: skip
    return lambda **more: place(settings | more, airflow=("env", f"PATH={AIRFLOW}:/usr/bin:/bin"))


def test_schema_and_alert_addresses_are_looked_at(airflow, tmp_path):
    before = airflow_inside.check(airflow(VISIONLOOP_PAGER="json://pager.example slack:/no-token"))
    assert states(before) == {"Airflow's database": "fail", "alerts": "fail"}
    assert before[1].found == "1 of 2 addresses in VISIONLOOP_PAGER cannot be read"
    here = airflow(VISIONLOOP_PAGER="json://pager.example")
    subprocess.run([*here.airflow, "airflow", "db", "migrate"], env=dict(here.settings), check=True, capture_output=True)
    assert states(airflow_inside.check(here)) == {"Airflow's database": "ok", "alerts": "ok"}


def test_nobody_to_tell_is_a_warning_and_no_python_a_failure(airflow, place):
    found = {one.check: one for one in airflow_inside.check(airflow())}
    assert found["alerts"].state == "warn"
    assert states(airflow_inside.check(place(airflow=("false",)))) == {"Airflow's Python": "fail"}
