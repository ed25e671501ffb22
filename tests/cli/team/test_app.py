import os

import pytest

from cli.home import StackError
from cli.team import app, dotenv


@pytest.fixture
def bin(tmp_path, monkeypatch):
    """A folder that is the whole path; programs are put there by name and script."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("VISIONLOOP_ENV_FILE", str(tmp_path / ".env"))

    def put(name, script):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return put


def test_without_compose_it_says_what_to_install(bin):
    bin("docker", "[ $1 != compose ]")
    with pytest.raises(StackError, match="install its plugin"):
        app.compose_command()


def test_the_plugin_goes_before_the_older_program(bin):
    bin("docker-compose", "exit 0")
    assert app.compose_command() == ["docker-compose"]
    bin("docker", "exit 0")
    assert app.compose_command() == ["docker", "compose"]


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("write /var/lib/docker/x: no space left on device", "the disk is full: make room"),
        ("Bind for 127.0.0.1:8080 failed: port is already allocated", "a port is in use"),
        ("manifest for prom/prometheus:v3.5.0 not found: manifest unknown", "is the registry reachable"),
        ("something else", "docker compose up failed:\nsomething else"),
    ],
    ids=["disk", "port", "image", "other"],
)
def test_what_compose_says_becomes_a_remedy(bin, said, remedy):
    bin("docker", f"[ $2 = version ] || {{ echo '{said}'; exit 1; }}")
    with pytest.raises(StackError) as error:
        app.compose("up")
    assert str(error.value).startswith(remedy) or remedy in str(error.value)


def test_the_shells_own_settings_do_not_reach_the_stack(bin, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "VISIONLOOP_STORE", "COMPOSE_PROFILES", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "of-the-shell")
    bin("docker", f"[ $2 = version ] || export -p >{tmp_path}/seen")
    app.compose("up")
    seen = (tmp_path / "seen").read_text()
    assert "of-the-shell" not in seen
    assert f"VISIONLOOP_ENV_FILE='{tmp_path}/.env'" in seen
    assert "DOCKER_HOST=" in seen


def test_the_login_is_printed(tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_ENV_FILE", str(tmp_path / ".env"))
    settings = dotenv.complete(tmp_path / ".env")
    told = app.addresses(settings)
    assert f"http://127.0.0.1:8080   user admin, password {settings['VISIONLOOP_PASSWORD']}" in told
    assert settings["AWS_SECRET_ACCESS_KEY"] not in told
    assert os.fspath(tmp_path / ".env") in told


@pytest.mark.parametrize(
    ("profiles", "executor"),
    [("minio", "LocalExecutor"), ("minio,celery", "CeleryExecutor"), ("", "LocalExecutor"), ("celery-flower", "LocalExecutor")],
)
def test_the_profile_decides_who_runs_tasks(profiles, executor):
    assert app.executor({"COMPOSE_PROFILES": profiles}) == {"AIRFLOW__CORE__EXECUTOR": executor}
