"""Claim: a step costs at most 1.5 s more as our operator than as the stock one, in the process and in the docker runtime.

How: a real embedded stack in a temporary home runs chains of ingest_labels with nothing to do (exit 99): as our operators, and
as the peers BashOperator and DockerOperator with the same command (overhead_dags/overhead.py). The same command is also run
bare: as a process, and by `docker run`. Medians of 4 after one that is not counted. Of a task: its own duration; the wait
between the end of the task before and its start; and Airflow's overhead, which is both together without the bare run.
The docker half needs an engine and `make images`.

    .venv/cli/bin/python -m benchmarks.step_overhead
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cli import services, stack
from cli.airflow_api import AirflowApi, TaskState
from cli.home import ROOT, Home, client_environment

SAMPLES = 4
BOUND_S = 1.5
WITHIN_S = 300
CONFIG = json.dumps({"source": "nobody", "prefix": "inbox/nobody"})
STEP = ("-u", "-m", "tasks.ingest_labels", "--output", "runs/bare/ingest_labels", "--config", CONFIG)
PASSED_ON = ("VISIONLOOP_STORE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
PEERS = {"process": "bash", "docker": "docker_operator"}


def built_image() -> str | None:
    """A name of the built data image, where an engine has it (DockerOperator would try to pull it by its id)."""
    try:
        image = str(json.loads((Home().path / "images.json").read_text())["data"])
        command = ["docker", "image", "inspect", "--format", "{{index .RepoTags 0}}", image]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, KeyError, subprocess.CalledProcessError):
        return None


def bare_s(command: list[str]) -> float:
    """Median seconds of the step without Airflow. Exits if it does not end as it should."""
    durations = []
    for _ in range(SAMPLES + 1):
        started = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        durations.append(time.perf_counter() - started)
        if done.returncode != 99:
            sys.exit(f"expected exit 99, got {done.returncode}:\n{done.stderr}")
    return statistics.median(durations[1:])


def run_chain(api: AirflowApi, dag_id: str) -> tuple[float, float]:
    """Median seconds that a task takes, and that it waits for after the one before has ended."""
    deadline, run_id = time.monotonic() + WITHIN_S, api.trigger(dag_id)
    tasks: list[TaskState] = []
    while {task.state for task in tasks} - {"skipped", "failed"} or not tasks:
        if time.monotonic() > deadline:
            sys.exit(f"{dag_id} has not ended within {WITHIN_S} s: {[task.state for task in tasks]}")
        time.sleep(1)
        tasks = sorted(api.tasks(dag_id, run_id), key=lambda task: task.task_id)
    if bad := [task for task in tasks if task.state != "skipped"]:
        sys.exit(f"{dag_id}: {api.error_line(bad[0])}")
    waits = [(after.started_at - task.started_at).total_seconds() - task.duration_s for task, after in itertools.pairwise(tasks)]
    return statistics.median(task.duration_s for task in tasks[1:]), statistics.median(waits)


def measure(home: Home, image: str | None) -> dict[str, tuple[float, float, float]]:
    """Chain → seconds of a task, of the wait before it, of the bare run."""
    running = stack.up(home)
    os.environ.update(client_environment(home, running))
    api = AirflowApi(running)
    chains = {name: name for pair in PEERS.items() if image or pair[0] == "process" for name in pair}
    while not all(api.has_dag(f"overhead__{name}") for name in chains):
        if errors := api.import_errors():
            sys.exit(str(errors))
        time.sleep(1)
    bare = {"process": bare_s([str(home.venvs / "data" / "bin" / "python"), *STEP])}
    if image:
        passed_on = [word for name in PASSED_ON for word in ("-e", name)]
        bare["docker"] = bare_s(["docker", "run", "--rm", "--network", "host", *passed_on, image, "python", *STEP])
    found = {name: run_chain(api, f"overhead__{name}") for name in chains}
    api.close()
    return {name: (*found[name], bare["docker" if name.startswith("docker") else "process"]) for name in found}


def main() -> None:
    """The table; exit 1 if a bound is missed."""
    image, ours = built_image(), services.airflow_environment
    dags = {"AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "benchmarks" / "overhead_dags")}
    dags |= {"BENCHMARK_IMAGE": image or "", "BENCHMARK_TASKS": str(SAMPLES + 1)}
    services.airflow_environment = lambda *where: ours(*where) | dags
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.path.mkdir()
        if image:
            shutil.copy(Home().path / "images.json", home.path)
        try:
            found = measure(home, image)
        finally:
            stack.down(home)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {SAMPLES}, seconds")
    print(f"{'':<18}{'task':>8}{'wait':>8}{'bare':>8}{'overhead':>10}")
    overhead = {name: task_s + wait_s - alone_s for name, (task_s, wait_s, alone_s) in found.items()}
    for name, (task_s, wait_s, alone_s) in found.items():
        print(f"{name:<18}{task_s:>8.1f}{wait_s:>8.1f}{alone_s:>8.1f}{overhead[name]:>10.1f}")
    more = {name: overhead[name] - overhead[peer] for name, peer in PEERS.items() if name in overhead}
    print("; ".join(f"{name}: {value:+.1f} s beside its peer (bound {BOUND_S} s)" for name, value in more.items()))
    if not image:
        print("docker: not measured: no engine answers, or `make images` has not run")
    sys.exit(any(value > BOUND_S for value in more.values()))


if __name__ == "__main__":
    main()
