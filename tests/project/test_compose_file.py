"""docker-compose.yaml: understood by Compose old and new, without secrets, closed to the world, guarded and bounded."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from cli.team import dotenv, machine

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yaml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
PROFILES = "minio,seaweedfs,celery,label-studio"
CURRENT = ROOT / ".venv" / "compose" / "bin" / "docker-compose"


@pytest.fixture
def env_file(tmp_path):
    """A finished .env with every profile."""
    file = tmp_path / "env"
    file.write_text(
        f"COMPOSE_PROFILES={PROFILES}\nVISIONLOOP_AIRFLOW_IMAGE=visionloop/airflow:1\nVISIONLOOP_MLFLOW_IMAGE=visionloop/mlflow:1\n"
    )
    dotenv.complete(file)
    return file


@pytest.mark.parametrize("program", [CURRENT, "docker-compose"], ids=["current", "debian"])
@pytest.mark.parametrize("files", [[], ["tests/compose/docker-compose.test.yaml"]], ids=["as it is", "for tests"])
def test_compose_understands_it(env_file, program, files):
    found = shutil.which(str(program))
    if found is None:
        pytest.skip(f"no {program}: `make setup-dev`, or Debian's package docker-compose")
    names = [word for file in ("docker-compose.yaml", *files) for word in ("-f", file)]
    done = subprocess.run(
        [found, "--env-file", str(env_file), *names, "config", "--services"], cwd=ROOT, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nowhere", "VISIONLOOP_ENV_FILE": str(env_file)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == SERVICES.keys()
    assert "warn" not in done.stderr.lower()


def test_nothing_is_started_without_secrets():
    needed = set(re.findall(r"\$\{([A-Z_]+):\?run make up\}", TEXT))
    assert needed == {name for name in dotenv.DEFAULTS if "PASSWORD" in name or "KEY" in name or "SECRET" in name} | {
        "VISIONLOOP_AIRFLOW_IMAGE", "VISIONLOOP_MLFLOW_IMAGE",
    }  # fmt: skip


def test_every_port_is_of_loopback_and_has_its_setting():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    found = [re.fullmatch(r"127\.0\.0\.1:\$\{(VISIONLOOP_PORT_[A-Z0-9_]+):-(\d+)\}:\d+", port) for port in published]
    assert {(one[1], int(one[2])) for one in found} == {(name, port) for name, port, _ in machine.PORTS.values()}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_watched_bounded_and_brought_back(name):
    service = SERVICES[name]
    assert re.fullmatch(r"[a-z/-]+:(RELEASE\.|v?\d+\.).*|\$\{VISIONLOOP_(AIRFLOW|MLFLOW)_IMAGE:\?run make up\}", service["image"])
    assert service["mem_limit"]
    assert service["logging"]["options"]["max-size"]
    once = name == "airflow-init"
    assert service["restart"] == ("no" if once else "unless-stopped")
    assert ("healthcheck" in service) is not once
    for needed, how in service.get("depends_on", {}).items():
        assert how == {"condition": "service_completed_successfully" if needed == "airflow-init" else "service_healthy"}
        # who needs a service of a profile is of that profile
        assert set(SERVICES[needed].get("profiles", [])) <= set(service.get("profiles", []))


def test_only_the_proxy_has_the_engines_socket_and_only_what_starts_steps_reaches_it():
    assert [name for name, service in SERVICES.items() if "docker.sock" in str(service.get("volumes"))] == ["docker-proxy"]
    reaching = {name for name, service in SERVICES.items() if "engine" in service["networks"]}
    assert reaching == {"docker-proxy", "airflow-scheduler", "airflow-worker"}
    assert SERVICES["docker-proxy"]["networks"] == ["engine"]
    assert not [name for name, service in SERVICES.items() if service.get("privileged") or service.get("cap_add")]


def test_the_scheduler_has_time_to_end_its_tasks():
    assert SERVICES["airflow-scheduler"]["stop_grace_period"] == "1m"
