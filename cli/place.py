"""The stack that is looked at: the embedded one of a home, or the team's, as .env says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli import stack as stacks
from cli.home import ROOT, Home, StackError, client_environment
from cli.services import airflow_environment
from cli.team import dotenv, machine

ANSWERS_WITHIN_S = 120
AIRFLOW_PORT, MLFLOW_PORT, S3_PORT = 8080, 5000, 9000


@dataclass(frozen=True)
class Place:
    """Addresses as this machine sees them. `settings`: what Airflow's components were started with, as far as known.

    `airflow`: the command that runs a program in Airflow's environment; `project`: of the team's stack alone.
    """

    name: str
    settings: Mapping[str, str]
    airflow_url: str
    mlflow_url: str
    password: str
    folder: Path
    airflow: tuple[str, ...]
    up: str
    project: str | None = None

    @property
    def is_team(self) -> bool:
        return self.project is not None

    @property
    def runtime(self) -> str:
        return self.settings.get("VISIONLOOP_RUNTIME") or ("docker" if self.is_team else "process")

    def in_airflow(self, *words: str, script: str | None = None) -> str:
        """What `python`, run where Airflow runs, prints. Raises StackError with its last line."""
        try:
            done = subprocess.run(
                [*self.airflow, "python", *words], input=script, capture_output=True, text=True, timeout=ANSWERS_WITHIN_S,
                env=os.environ | dict(self.settings), check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StackError(str(error)) from None
        if done.returncode != 0:
            raise StackError((done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()[-1])
        return done.stdout


def embedded(home: Home) -> Place:
    """Raises StackError before its first start."""
    stack = home.stack()
    settings = dict(os.environ) | client_environment(home, stack) | airflow_environment(home, stack)
    return Place(
        f"embedded stack of {home.path}", settings, stack.url("airflow"), stack.url("mlflow"), stack.password, home.path,
        ("env", f"PATH={home.venvs}/airflow/bin:{os.environ.get('PATH', '')}"), "make demo` or `./visionloop up",
    )  # fmt: skip


def team(file: Path) -> Place:
    """Raises StackError without its file."""
    said = dotenv.read(file)
    project = said.get("COMPOSE_PROJECT_NAME", "visionloop")

    def local(service: str, default: int) -> str:
        return f"http://127.0.0.1:{said.get(f'VISIONLOOP_PORT_{service}') or default}"

    settings = said | {
        "VISIONLOOP_STORE": said.get("VISIONLOOP_STORE") or "s3://visionloop",
        "AWS_ENDPOINT_URL": said.get("AWS_ENDPOINT_URL") or local("S3", S3_PORT),
        "AWS_REGION": said.get("AWS_REGION") or "us-east-1",
        "MLFLOW_TRACKING_URI": said.get("MLFLOW_TRACKING_URI") or local("MLFLOW", MLFLOW_PORT),
    }
    container = ("docker", "exec", "-i", container_of(project, "airflow-scheduler"))
    return Place(
        f"team's stack {project} of {file}", settings, local("AIRFLOW", AIRFLOW_PORT), settings["MLFLOW_TRACKING_URI"],
        said.get("VISIONLOOP_PASSWORD", ""), ROOT, container, "make up", project,
    )  # fmt: skip


def container_of(project: str, service: str) -> str:
    """Its id; its name's beginning where there is none, so that docker says that."""
    labels = [f"label=com.docker.compose.project={project}", f"label=com.docker.compose.service={service}"]
    try:
        found = machine.docker("ps", "--quiet", "--filter", labels[0], "--filter", labels[1]).split()
    except StackError:
        found = []
    return found[0] if found else f"{project}-{service}"


def chosen(which: str | None) -> Place:
    """`team`, `embedded`, or None: the team's where there is a .env, unless the embedded one runs."""
    file, home = dotenv.path(), Home()
    if which == "team" or (which is None and file.exists() and stacks.supervisor(home) is None):
        return team(file)
    if which is None and not home.stack_file.exists():
        raise StackError("there is no stack here yet: `make up` starts the team's, `make demo` the embedded one")
    return embedded(home)
