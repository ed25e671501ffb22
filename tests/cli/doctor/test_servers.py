"""MLflow for real; Airflow's answers as its API gives them (the whole stack is looked at in tests/end_to_end)."""

import pytest

from cli.doctor import servers
from cli.home import Home, Stack, free_ports
from tests.cli.doctor.conftest import serving, states

HEALTHY = {part: {"status": "healthy"} for part in servers.PARTS}
AIRFLOW = servers.locked("apache-airflow", "airflow")
TRACE = "Traceback (most recent call last):\n  …\nModuleNotFoundError: No module named 'tensorflow'\n"


@pytest.mark.integration
def test_a_real_mlflow_is_well(place, mlflow_server):
    assert states(servers.mlflow(place(mlflow_url=mlflow_server))) == {"MLflow": "ok", "MLflow version": "ok"}


@pytest.mark.integration
def test_another_version_than_locked_is_a_warning(place, mlflow_server, monkeypatch):
    monkeypatch.setattr(servers, "locked", lambda *_: "3.0.0")
    found = servers.mlflow(place(mlflow_url=mlflow_server))[-1]
    assert (found.state, found.found.endswith("locked is 3.0.0")) == ("warn", True)


@pytest.mark.parametrize("check", [servers.mlflow, servers.airflow])
def test_a_closed_port_is_one_failure(place, check):
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    (found,) = check(place(mlflow_url=url, airflow_url=url))
    assert (found.state, "does not answer" in found.found) == ("fail", True)


def test_an_mlflow_that_refuses_the_login_is_named(place):
    asked = ("POST", "/api/2.0/mlflow/experiments/search")
    with serving({("GET", "/health"): (200, "OK"), asked: (401, "who are you?")}) as url:
        (found,) = servers.mlflow(place({"MLFLOW_TRACKING_USERNAME": "ada"}, mlflow_url=url))
    assert (found.state, "MLFLOW_TRACKING_USERNAME" in found.remedy) == ("fail", True)


def answers(health=None, version=AIRFLOW, login=201, errors=()):
    return {
        ("GET", "/api/v2/monitor/health"): (200, HEALTHY | (health or {})),
        ("GET", "/api/v2/version"): (200, {"version": version}),
        ("POST", "/auth/token"): (login, {"access_token": "t"}),
        ("GET", "/api/v2/importErrors"): (200, {"import_errors": list(errors)}),
    }


def test_a_healthy_airflow_is_well(place):
    with serving(answers()) as url:
        found = servers.airflow(place(airflow_url=url))
    assert set(states(found).values()) == {"ok"}


@pytest.mark.parametrize(
    ("wrong", "check", "state", "says"),
    [
        ({"health": {"triggerer": {"status": "unhealthy"}}}, "Airflow", "fail", "the triggerer is unhealthy"),
        ({"health": {"scheduler": {"status": None}}}, "Airflow", "fail", "the scheduler is missing"),
        ({"version": "3.2.0"}, "Airflow version", "warn", "runs 3.2.0"),
        ({"login": 401}, "login", "fail", "refuses the user admin"),
        ({"errors": [{"filename": "models.py", "stack_trace": TRACE}]}, "DAGs", "fail", "models.py: ModuleNotFoundError"),
    ],
    ids=["triggerer ill", "scheduler gone", "other version", "wrong password", "DAG does not load"],
)
def test_what_is_wrong_with_airflow_is_named(place, wrong, check, state, says):
    with serving(answers(**wrong)) as url:
        found = next(one for one in servers.airflow(place(airflow_url=url)) if one.check == check)
    assert (found.state, says in found.found) == (state, True)
    assert found.remedy


def test_something_else_on_the_port_is_not_taken_for_airflow(place):
    with serving({}) as url:
        (found,) = servers.airflow(place(airflow_url=url))
    assert found.state == "fail"


def test_monitoring_that_is_off_is_named(place, tmp_path):
    def started(port):
        Home(tmp_path).save(Stack(ports={"monitoring": port}))
        return place()

    with serving({("GET", "/healthz"): (200, "ok")}) as url:
        assert states(servers.monitoring(started(int(url.rpartition(":")[2])))) == {"monitoring": "ok"}
    assert states(servers.monitoring(started(free_ports(1)[0]))) == {"monitoring": "fail"}
