"""What the team's stack needs of the machine, looked at before anything is started: each lack is one line with its remedy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.containers import ANSWERS_WITHIN_S, ENGINE
from cli.home import StackError, is_free

GB = 10**9
MIN_MEMORY_GB = 4.5  # idle, the stack takes most of four
MIN_DISK_GB = 5
# service: setting, default, profile that it belongs to
PORTS = {
    "Airflow": ("VISIONLOOP_PORT_AIRFLOW", 8080, None),
    "MLflow": ("VISIONLOOP_PORT_MLFLOW", 5000, None),
    "the S3 server": ("VISIONLOOP_PORT_S3", 9000, None),
    "Prometheus": ("VISIONLOOP_PORT_PROMETHEUS", 9090, None),
    "Alertmanager": ("VISIONLOOP_PORT_ALERTMANAGER", 9093, None),
    "Grafana": ("VISIONLOOP_PORT_GRAFANA", 3000, None),
    "Label Studio": ("VISIONLOOP_PORT_LABEL_STUDIO", 8081, "label-studio"),
}


def docker(*words: str) -> str:
    """What the client prints. Raises StackError with its complaint, or with what to install or start."""
    client = shutil.which("docker")
    if client is None:
        raise StackError("there is no docker: install Docker Engine (https://docs.docker.com/engine/install), then go on")
    host = os.environ.get("DOCKER_HOST") or ENGINE
    try:
        done = subprocess.run(
            [client, *words], env=os.environ | {"DOCKER_HOST": host}, capture_output=True, text=True, timeout=ANSWERS_WITHIN_S
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"the Docker engine at {host} does not answer within {ANSWERS_WITHIN_S} s: restart it") from None
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    if done.returncode != 0:
        raise _remedy(said[-1] if said else f"docker {words[0]} failed", host)
    return done.stdout


def _remedy(complaint: str, host: str) -> StackError:
    if "permission denied" in complaint.lower():
        return StackError(f"the Docker engine at {host} does not let you in: add yourself to the group docker, and log in again")
    if "connect" in complaint.lower():
        return StackError(f"no Docker engine answers at {host}: start it (`sudo systemctl start docker`), or set DOCKER_HOST")
    return StackError(f"docker: {complaint}")


def check_engine() -> None:
    """That it answers, has memory and has disk."""
    info = json.loads(docker("info", "--format", "{{json .}}"))
    if errors := info.get("ServerErrors"):  # newer clients say it here
        raise _remedy(errors[0], os.environ.get("DOCKER_HOST") or ENGINE)
    check_memory(int(info["MemTotal"]))
    check_disk(Path(info["DockerRootDir"]))


def check_memory(total_bytes: int) -> None:
    if total_bytes < MIN_MEMORY_GB * GB:
        raise StackError(
            f"the Docker engine has {total_bytes / GB:.1f} GB of memory, the stack needs {MIN_MEMORY_GB} and its steps what "
            "their step.toml says: use a larger machine (Docker Desktop: Settings, Resources), or the embedded stack (make demo)"
        )


def check_disk(folder: Path) -> None:
    """Of the engine's own folder; where it cannot be seen, the engine is another machine's."""
    if not folder.exists():
        return
    free = shutil.disk_usage(folder).free
    if free < MIN_DISK_GB * GB:
        raise StackError(
            f"only {free / GB:.1f} GB of disk are free at {folder}, the stack needs {MIN_DISK_GB}: make room, "
            "for example with `docker system prune` (images and containers that nothing uses)"
        )


def check_ports(settings: Mapping[str, str], ours: str) -> None:
    """That those are free which the stack does not hold itself. `ours`: the ports of its containers, as docker lists them."""
    profiles = settings.get("COMPOSE_PROFILES", "").split(",")
    for service, (name, default, profile) in PORTS.items():
        port = settings.get(name) or str(default)
        if profile not in (None, *profiles) or f":{port}->" in ours:
            continue
        if not is_free(int(port)):
            raise StackError(f"port {port}, which {service} is to listen on, is in use: end what uses it, or set {name} in .env")


def ports_held(project: str) -> str:
    """What the stack's running containers publish."""
    return docker("ps", "--filter", f"label=com.docker.compose.project={project}", "--format", "{{.Ports}}")


def containers(project: str) -> list[dict[str, Any]]:
    """Every container of the stack, as `docker inspect` shows it; not the steps'."""
    found = docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={project}").split()
    return list(json.loads(docker("inspect", *found))) if found else []
