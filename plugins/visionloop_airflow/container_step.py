"""`container_step("train_detector", dataset=…)`: the one way to run a step from a DAG.

Reads tasks/<step>/step.toml while the DAG is parsed and compares the inputs, by name and kind: raw labels cannot reach
build_dataset. The runtime (VISIONLOOP_RUNTIME) decides which operator comes out; the DAG is the same.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from include.errors import ConfigError
from include.step.plate import StepPlate, read_plate
from visionloop_airflow import settings
from visionloop_airflow.gpus import GPU_POOL
from visionloop_airflow.links import LINKS
from visionloop_airflow.outcomes import RETRY_POLICY
from visionloop_airflow.process_step import ProcessStepOperator
from visionloop_airflow.refs import ArtifactRef, card_of
from visionloop_airflow.step_job import StepJob

Input = ArtifactRef | StepJob
RETRIES = 2
RETRY_DELAY = timedelta(seconds=10)


def check_wiring(plate: StepPlate, refs: dict[str, ArtifactRef]) -> None:
    """Raises ConfigError that names the step.toml to look at."""
    where = f"tasks/{plate.name}/step.toml"
    if refs.keys() != plate.inputs.keys():
        raise ConfigError(f"{plate.name}: wired with inputs {sorted(refs)}, expected {sorted(plate.inputs)} ({where})")
    for name, ref in refs.items():
        if ref.kind != plate.inputs[name]:
            raise ConfigError(f"{plate.name}: input {name} is wired with a {ref.kind}, expected {plate.inputs[name]} ({where})")


def place(plate: StepPlate) -> dict[str, Any]:
    """The pool that a step waits in. Raises ConfigError for one that would wait without end."""
    if not plate.gpus or not settings.may_use_gpus():
        return {}
    if plate.gpus > settings.gpus():
        here = f"VISIONLOOP_GPUS says that there are {settings.gpus()}"
        raise ConfigError(f"{plate.name}: tasks/{plate.name}/step.toml asks for {plate.gpus} GPUs, but {here}")
    return {"pool": GPU_POOL, "pool_slots": plate.gpus}


def container_step(
    step: str, *, config: dict[str, Any] | None = None, outlets: list[Any] | None = None, **inputs: Input
) -> StepJob:
    """The operator of a step, downstream of the steps it reads from. Raises ConfigError for a wrong wiring."""
    plate = read_plate(step)
    refs = {
        name: card_of(str(one.task_id), one.plate.output) if isinstance(one, StepJob) else one for name, one in inputs.items()
    }
    check_wiring(plate, refs)
    operator: StepJob = _operator_class()(
        task_id=step,
        plate=plate,
        addresses={name: ref.address for name, ref in refs.items()},
        config=config or {},
        outlets=outlets or [],
        execution_timeout=timedelta(minutes=plate.time_limit_minutes),
        retries=RETRIES,
        retry_delay=RETRY_DELAY,
        retry_policy=RETRY_POLICY,
        do_xcom_push=False,  # results travel as cards
        **place(plate),
    )
    operator.operator_extra_links = tuple(LINKS[name] for name in plate.links)
    for upstream in inputs.values():
        if isinstance(upstream, StepJob):
            operator.set_upstream(upstream)
    return operator


def _operator_class() -> Any:
    if settings.runtime() == "docker":
        from visionloop_airflow.docker_step import DockerStepOperator  # imports docker: only where it is used

        return DockerStepOperator
    return ProcessStepOperator
