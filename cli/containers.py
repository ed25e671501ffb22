"""The step containers of a home, for `down`: seen through the docker client, which the docker runtime's images need anyway."""

from __future__ import annotations

import os
import shutil
import subprocess

from cli.home import Home, StackError

ENGINE = "unix:///var/run/docker.sock"  # where the steps' operator looks, too: not in the client's current context
ANSWERS_WITHIN_S = 60


def end_containers(home: Home) -> int:
    """Remove every step container that was started for this home. Returns how many there were.

    Raises StackError if steps run in containers here, but no client or engine answers.
    """
    is_chosen = os.environ.get("VISIONLOOP_RUNTIME") == "docker"
    if not is_chosen and not (home.path / "images.json").exists():
        return 0  # without images no step ever ran in a container
    try:
        found = _docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=visionloop.home={home.path}").split()
        if found:
            _docker("rm", "--force", "--volumes", *found)
    except StackError:
        if is_chosen:
            raise
        return 0  # an engine that is not there runs no containers
    return len(found)


def _docker(*words: str) -> str:
    """What the client prints. Raises StackError with what it complains about; a container that just went away is no complaint."""
    client = shutil.which("docker")
    if client is None:
        raise StackError("VISIONLOOP_RUNTIME=docker, but there is no docker client to look for step containers with")
    engine = {"DOCKER_HOST": os.environ.get("DOCKER_HOST") or ENGINE}
    try:
        done = subprocess.run(
            [client, *words], env=os.environ | engine, capture_output=True, text=True, timeout=ANSWERS_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"step containers may be left: the engine at {engine['DOCKER_HOST']} does not answer") from None
    complaints = [line for line in done.stderr.splitlines() if not ("No such container" in line or "already in progress" in line)]
    if done.returncode != 0 and complaints:
        raise StackError(f"step containers may be left: docker {words[0]} says {complaints[-1]}")
    return done.stdout
