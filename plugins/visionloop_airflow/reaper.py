"""Ends step jobs whose task is no longer alive: what a worker left behind that was killed on its last try."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from visionloop_airflow import settings
from visionloop_airflow.process_step import OWNER, session_of, stop_process

log = logging.getLogger(__name__)
# In these states a task owns its job, or will look for it: after a lost worker the next try reattaches.
OWNING = {"running", "queued", "scheduled", "up_for_retry", "restarting", "deferred", None}


@dataclass(frozen=True)
class Job:
    """A step job that runs somewhere, and how to end it."""

    name: str
    dag_id: str
    run_id: str
    task_id: str
    end: Callable[[], object]


def process_jobs() -> Iterator[Job]:
    """Jobs of the process runtime that are alive."""
    for path in sorted((settings.home() / "steps").glob(f"*/{OWNER}")):
        name = path.parent.name
        if session_of(name):
            owner = json.loads(path.read_text())
            yield Job(
                name,
                owner["visionloop.dag"],
                owner["visionloop.run"],
                owner["visionloop.task"],
                partial(stop_process, name),
            )


def docker_jobs() -> Iterator[Job]:
    """Containers of this installation, running or not."""
    from airflow.providers.docker.hooks.docker import DockerHook

    from visionloop_airflow.docker_step import engine_url
    from visionloop_airflow.step_job import LABEL

    client = DockerHook(docker_conn_id=None, base_url=engine_url()).api_client
    for found in client.containers(all=True, filters={"label": [LABEL, f"visionloop.home={settings.home()}"]}):
        labels, name = found["Labels"], found["Names"][0].lstrip("/")
        owner = (labels["visionloop.dag"], labels["visionloop.run"], labels["visionloop.task"])
        # by name, not by id: a proxy before the engine knows steps by their names
        yield Job(name, *owner, partial(client.remove_container, name, force=True, v=True))


def reap(state_of: Callable[[Job], str | None]) -> list[str]:
    """End every job whose task `state_of` no longer owns it; returns their names."""
    jobs = docker_jobs() if settings.runtime() == "docker" else process_jobs()
    ended = []
    for job in jobs:
        if (state := state_of(job)) not in OWNING:
            log.warning("ending %s: its task %s %s is %s", job.name, job.dag_id, job.task_id, state)
            job.end()
            ended.append(job.name)
    return ended
