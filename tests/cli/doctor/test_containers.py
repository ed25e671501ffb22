import json

import pytest

from cli.doctor import containers


def container(service, status="running", health="healthy", code=0, **environment):
    return {
        "Id": service,
        "Config": {
            "Labels": {"com.docker.compose.service": service}, "Env": [f"{name}={value}" for name, value in environment.items()],
        },
        "State": {"Status": status, "Running": status == "running", "ExitCode": code, "Health": {"Status": health}},
    }  # fmt: skip


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A client whose engine has these containers, and whose logs all end alike."""

    def install(*found):
        client = tmp_path / "bin" / "docker"
        client.parent.mkdir()
        client.write_text(
            f"#!/bin/sh\ncase $1 in\n  ps) echo '{' '.join(one['Id'] for one in found)}' ;;\n"
            f"  inspect) echo '{json.dumps(found)}' ;;\n  logs) echo 'the last word' ;;\nesac\n"
        )
        client.chmod(0o755)
        monkeypatch.setenv("PATH", f"{client.parent}:/usr/bin:/bin")

    return install


def test_each_that_is_ill_is_named_with_its_last_words(docker, place):
    docker(
        container("postgres"), container("mlflow", health="unhealthy"), container("airflow-scheduler", "exited", code=137),
        container("airflow-init", "exited"),
    )  # fmt: skip
    found = containers.check(place(project="cells"))
    assert [(one.state, one.found) for one in found if one.check == "containers"] == [
        ("fail", "mlflow is unhealthy: the last word"),
        ("fail", "airflow-scheduler is exited (137): the last word"),
    ]


def test_a_stack_that_is_up_is_well_and_one_that_is_down_is_not(docker, place):
    docker(container("postgres"), container("airflow-init", "exited"))
    assert [one.found for one in containers.check(place(project="cells"))] == ["2 are well"]


def test_none_at_all_is_a_failure(docker, place):
    docker()
    assert [one.state for one in containers.check(place(project="cells"))] == ["fail"]
    assert containers.check(place()) == [], "the embedded stack has none"


@pytest.mark.parametrize(
    ("services", "executor", "said"),
    [
        (["airflow-scheduler", "airflow-worker"], "CeleryExecutor", ("ok", "tasks run in airflow-worker")),
        (["airflow-scheduler"], "LocalExecutor", ("ok", "tasks run in the scheduler")),
        (
            ["airflow-scheduler"], "CeleryExecutor",
            ("fail", "the scheduler leaves tasks to Celery, and no airflow-worker is there to run them"),
        ),
        (
            ["airflow-scheduler", "airflow-worker"], "LocalExecutor",
            ("warn", "an airflow-worker is there, but the scheduler runs tasks itself"),
        ),
    ],
    ids=["celery", "local", "no worker", "idle worker"],
)  # fmt: skip
def test_the_executor_and_the_workers_go_together(docker, place, services, executor, said):
    docker(*(container(name, AIRFLOW__CORE__EXECUTOR=executor) for name in services))
    found = containers.check(place(project="cells"))
    assert [(one.state, one.found) for one in found if one.check == "executor"] == [said]
