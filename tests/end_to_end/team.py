"""The team's stack in a real engine, under a project name of its own: started, driven and broken as people and machines would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cli.home import ROOT, Home, Stack, free_ports
from cli.team import dotenv
from images import build
from tests.end_to_end.loop import Loop, write_definitions

LOCAL_BASE = "visionloop-base:bookworm"  # .ci/docker-engine.sh makes it
SERVERS = "visionloop/servers:test"
UNITS_MB = {"B": 1e-6, "KiB": 1.024e-3, "MiB": 1.048576, "GiB": 1073.741824}
PORTS = ("AIRFLOW", "MLFLOW", "S3", "PROMETHEUS", "ALERTMANAGER", "GRAFANA")


def docker(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=400, check=check)


def build_servers() -> None:
    """The image of the servers that can't be pulled everywhere; seconds, where it was built before."""
    base = os.environ.get("BASE_IMAGE") or LOCAL_BASE
    words = [os.environ.get("DOCKER", "/usr/bin/docker"), "build", "--network", "host", "--build-arg", f"BASE_IMAGE={base}"]
    words += ["-t", SERVERS, "-f", "tests/compose/Dockerfile", "."]
    build.copy_certificates()
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


class Team(Loop):
    """`visionloop team up` with the override of tests/compose; looked at through its ports, as from a desk."""

    def __init__(self, epochs: int, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="team-"))
        self.folder.chmod(0o755)  # containers read the definitions
        self.home = Home(self.folder / "home")
        self.project = self.folder.name.lower().replace("_", "")
        self.env_file = self.folder / "env"
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        lines = {
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": "docker-compose.yaml:tests/compose/docker-compose.test.yaml",
            "COMPOSE_PROFILES": "seaweedfs",
            "VISIONLOOP_DEFINITIONS": str(write_definitions(self.folder, epochs)),
            "VISIONLOOP_GPUS": "0",
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{ports['AIRFLOW']}",
            "VISIONLOOP_MLFLOW_UI": f"http://127.0.0.1:{ports['MLFLOW']}",
            **{f"VISIONLOOP_PORT_{name}": str(port) for name, port in ports.items()},
            **settings,
        }
        self.env_file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        self.api = None
        self.before = dict(os.environ)

    def visionloop(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"VISIONLOOP_ENV_FILE": str(self.env_file), **settings}
        if docker("image", "inspect", LOCAL_BASE, check=False).returncode == 0:
            environment.setdefault("BASE_IMAGE", LOCAL_BASE)
        command = [sys.executable, "-m", "cli", "team", *words]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1500)

    def up(self) -> None:
        done = self.visionloop("up")
        assert done.returncode == 0, done.stdout + done.stderr
        self.connect()

    def connect(self) -> None:
        settings = dotenv.read(self.env_file)
        self.stack = Stack(
            ports={name.lower(): int(settings[f"VISIONLOOP_PORT_{name}"]) for name in PORTS},
            password=settings["VISIONLOOP_PASSWORD"],
            s3_access_key=settings["AWS_ACCESS_KEY_ID"],
            s3_secret_key=settings["AWS_SECRET_ACCESS_KEY"],
        )
        super().connect()

    def down(self) -> None:
        done = self.visionloop("down")
        assert done.returncode == 0, done.stdout + done.stderr

    def close(self) -> None:
        """Everything of it is gone, its data too."""
        if self.api is not None:
            self.api.close()
        os.environ.clear()
        os.environ.update(self.before)
        for kind, words in (("container", ["rm", "--force", "--volumes"]), ("network", ["rm"]), ("volume", ["rm"])):
            mine = ["--filter", f"label=com.docker.compose.project={self.project}", "--quiet"]
            found = docker(kind, "ls", *(["--all"] if kind == "container" else []), *mine).stdout.split()
            found += self.steps() if kind == "container" else []
            if found:
                docker(kind, *words, *found, check=False)
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)

    def steps(self) -> list[str]:
        """Ids of this stack's step containers."""
        chosen = ["--filter", f"label=visionloop.home=/var/lib/visionloop/{self.project}"]
        return docker("ps", "--all", "--quiet", "--no-trunc", *chosen).stdout.split()

    def container(self, service: str) -> dict[str, Any]:
        chosen = [f"label=com.docker.compose.project={self.project}", f"label=com.docker.compose.service={service}"]
        found = docker("ps", "--all", "--quiet", *(word for one in chosen for word in ("--filter", one))).stdout.split()
        return dict(json.loads(docker("inspect", *found).stdout)[0])

    def memory_mb(self) -> dict[str, float]:
        """What each running container of the stack holds, without the page cache."""
        names = docker(
            "ps", "--filter", f"label=com.docker.compose.project={self.project}", "--format", "{{.Names}}"
        ).stdout.split()
        lines = docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", *names).stdout.splitlines()
        found = {}
        for line in lines:
            name, number, unit = re.match(r"(\S+) ([\d.]+)([KMG]?i?B)", line).groups()
            found[name.removeprefix(self.project)[1:-2]] = float(number) * UNITS_MB[unit]
        return found

    def bootstrap(self, **settings: str) -> subprocess.CompletedProcess[str]:
        """airflow-init once more, with something set otherwise."""
        init = self.container("airflow-init")["Config"]
        file = self.folder / "init.env"
        file.write_text("\n".join([*init["Env"], *(f"{name}={value}" for name, value in settings.items())]))
        return docker("run", "--rm", "--network", self.project, "--env-file", str(file), init["Image"], *init["Cmd"], check=False)

    def kill_and_start(self, service: str) -> None:
        """SIGKILL, a second of nothing, a start; returns when it is healthy again."""
        name = self.container(service)["Id"]
        docker("kill", name)
        time.sleep(1)
        docker("start", name)
        self.until(lambda: self.container(service)["State"]["Health"]["Status"] == "healthy", f"{service} to be well again")
