"""Four chains of one and the same step with nothing to do, for benchmarks/step_overhead.py: our operators and the stock ones."""

from __future__ import annotations

import json
import os
from typing import Any

from airflow.providers.docker.operators.docker import DockerOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, TaskGroup

from visionloop_airflow import settings
from visionloop_airflow.container_step import container_step

CONFIG = {"source": "nobody", "prefix": "inbox/nobody"}
COMMAND = f"-u -m tasks.ingest_labels --output runs/stock/ingest_labels --config '{json.dumps(CONFIG)}'"
IMAGE = os.environ["BENCHMARK_IMAGE"]  # empty: no engine


def step(runtime: str) -> Any:
    """Ours: as a DAG of the project has it."""
    os.environ["VISIONLOOP_RUNTIME"] = runtime
    return container_step("ingest_labels", config=CONFIG)


def bash() -> BashOperator:
    """What one would write without us, on the worker."""
    command = f"{settings.step_python('data')} {COMMAND}"
    path = {"PYTHONPATH": str(settings.ROOT)}
    return BashOperator(task_id="ingest_labels", bash_command=command, env=path, append_env=True, skip_on_exit_code=99)


def docker() -> DockerOperator:
    """What one would write without us, in a container."""
    return DockerOperator(
        task_id="ingest_labels",
        image=IMAGE,
        command=f"python {COMMAND}",
        environment=settings.addresses_and_secrets(),
        network_mode="host",
        mount_tmp_dir=False,
        auto_remove="force",
        skip_on_exit_code=99,
    )


CHAINS = {"process": lambda: step("process"), "bash": bash}
if IMAGE:
    CHAINS |= {"docker": lambda: step("docker"), "docker_operator": docker}

for name, make in CHAINS.items():
    with DAG(f"overhead__{name}", schedule=None) as dag:
        before = None
        for number in range(int(os.environ["BENCHMARK_TASKS"])):
            with TaskGroup(f"n{number}"):
                task = make()
            task.trigger_rule = "all_done"  # the step ends as skipped: there is nothing to do
            if before is not None:
                before >> task
            before = task
    globals()[dag.dag_id] = dag
