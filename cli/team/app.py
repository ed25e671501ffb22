"""`visionloop team`: the stack of docker-compose.yaml. `visionloop up` and `demo` are the embedded one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import typer

from cli.containers import ENGINE
from cli.home import ROOT, StackError, say
from cli.team import dotenv, machine

app = typer.Typer(help="The team's stack in docker compose.", no_args_is_help=True)
HEALTHY_WITHIN_S = 600  # on two slow cores, with a database to migrate
INIT = "airflow-init"
# .env has the last word: what a shell has for another stack, or for the cloud, must not reach this one
NOT_PASSED_ON = ("AIRFLOW", "AWS_", "COMPOSE_", "MLFLOW_", "POSTGRES_", "VISIONLOOP_")
REMEDIES = {
    "no space left on device": "the disk is full: make room, for example with `docker system prune`",
    "address already in use": "a port is in use: end what uses it, or set another in .env (docs/compose.md)",
    "port is already allocated": "a port is in use: end what uses it, or set another in .env (docs/compose.md)",
    "manifest unknown": "a public image is not there: is the registry reachable? (docs/compose.md names the images)",
    "pull access denied": "a public image cannot be pulled: is the registry reachable? (docs/compose.md names the images)",
}


def compose_command() -> list[str]:
    """`docker compose`, or `docker-compose`. Raises StackError where there is neither."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    raise StackError(
        "there is no docker compose: install its plugin (https://docs.docker.com/compose/install), or on Debian docker-compose"
    )


def compose(*words: str) -> None:
    """Run it on this checkout and .env. Raises StackError with its last line, and the remedy where we know one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED_ON)}
    kept.setdefault("DOCKER_HOST", ENGINE)
    file = dotenv.path()
    command = [*compose_command(), "--env-file", str(file), *words]
    environment = kept | {"VISIONLOOP_ENV_FILE": str(file)}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode == 0:
        return
    for needle, remedy in REMEDIES.items():
        if needle in done.stdout.lower():
            raise StackError(remedy)
    said = [line for line in done.stdout.splitlines() if line.strip()]
    raise StackError(f"{' '.join(command[:2])} {words[0]} failed:\n" + "\n".join(said[-5:]))


def build_missing() -> dict[str, str]:
    """The images of this commit, built where they are not there; the settings that name them."""
    command = [sys.executable, str(ROOT / "images" / "build.py"), "--missing", "data", "torch", "mlflow", "airflow"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise StackError("the images could not be built, as above; mend it, then `make up` again")
    named = dict(line.split("=") for line in done.stdout.split())
    return {"VISIONLOOP_AIRFLOW_IMAGE": named["airflow"], "VISIONLOOP_MLFLOW_IMAGE": named["mlflow"]}


def executor(settings: Mapping[str, str]) -> dict[str, str]:
    """The setting of who runs tasks: Celery's workers where there are some, by profile; else the scheduler itself."""
    has_workers = "celery" in settings["COMPOSE_PROFILES"].split(",")
    return {"AIRFLOW__CORE__EXECUTOR": "CeleryExecutor" if has_workers else "LocalExecutor"}


def service_of(container: dict[str, Any]) -> str:
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


def is_well(container: dict[str, Any]) -> bool:
    """Healthy; or, of the one that runs once, done."""
    state = container["State"]
    if service_of(container) == INIT:
        return (state["Status"], state["ExitCode"]) == ("exited", 0)
    return bool(state["Running"]) and state.get("Health", {}).get("Status", "healthy") == "healthy"


def has_failed(container: dict[str, Any]) -> bool:
    state = container["State"]
    if service_of(container) == INIT:
        return bool(state["Status"] == "exited" and state["ExitCode"] != 0)
    return bool(state.get("Health", {}).get("Status") == "unhealthy")


def last_words(container: dict[str, Any], count: int = 1) -> str:
    """The end of its log, both streams."""
    words = ["docker", "logs", "--tail", str(count), container["Id"]]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip() or "(its log is empty)"


def wait_until_healthy(project: str) -> None:
    """Raises StackError with the last words of what did not come up."""
    started = time.monotonic()
    while not all(map(is_well, found := machine.containers(project))) or not found:
        late = time.monotonic() - started > HEALTHY_WITHIN_S
        for container in found:
            if has_failed(container) or (late and not is_well(container)):
                raise _broken(container)
        time.sleep(1)


def _broken(container: dict[str, Any]) -> StackError:
    name, lines = service_of(container), 1 if service_of(container) == INIT else 5
    words = last_words(container, lines)
    return StackError(words) if words.startswith(INIT) else StackError(f"{name} did not come up; the end of its log:\n{words}")


def start(project: str) -> None:
    try:
        compose("up", "--detach", "--remove-orphans")
    except StackError:
        for container in machine.containers(project):
            if has_failed(container):  # compose says only that something else waited for it in vain
                raise _broken(container) from None
        raise


@app.command()
def up() -> None:
    """Write .env if there is none, build what is missing, start everything, wait until it is healthy."""
    machine.check_engine()
    compose_command()
    file = dotenv.path()
    settings = dotenv.complete(file)
    project = settings["COMPOSE_PROJECT_NAME"]
    machine.check_ports(settings, machine.ports_held(project))
    dotenv.put(file, build_missing() | executor(settings))
    say("  starting; the first time, the public images are pulled")
    start(project)
    wait_until_healthy(project)
    say(addresses(dotenv.read(file)))


def addresses(settings: dict[str, str]) -> str:
    port = settings.get("VISIONLOOP_PORT_S3") or "9000"
    lines = [
        f"  Airflow  {settings['AIRFLOW__API__BASE_URL']}   user admin, password {settings['VISIONLOOP_PASSWORD']}",
        f"  MLflow   {settings['VISIONLOOP_MLFLOW_UI']}",
        f"  S3       http://127.0.0.1:{port}   key and secret: AWS_… in {dotenv.path()}",
    ]
    return "\n".join(lines)


@app.command()
def down() -> None:
    """Stop everything, running steps too. Data stays, in volumes."""
    project = dotenv.read(dotenv.path())["COMPOSE_PROJECT_NAME"]
    compose("stop")
    steps = machine.docker("ps", "--all", "--quiet", "--filter", f"label=visionloop.home=/var/lib/visionloop/{project}").split()
    if steps:
        machine.docker("rm", "--force", "--volumes", *steps)
    compose("down", "--remove-orphans")
    say(f"stopped; its data is in the volumes {project}_…")
