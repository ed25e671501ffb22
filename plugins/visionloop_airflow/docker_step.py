"""Steps as containers on a Docker engine: the default of the team stack.

Non-root, read-only root file system, no Docker socket, no capabilities, memory and CPU limits, images by digest. The
provider's operator is kept for its connection to the engine; how the container is made, followed and found again is ours,
because the stock operator starts a second container when a worker is lost (FACTS: 6. DockerOperator).
"""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from typing import Any

from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException
from docker import APIClient
from docker.errors import APIError, ImageNotFound, NotFound
from docker.types import DeviceRequest, LogConfig
from requests.exceptions import ConnectionError as EngineConnectionError
from requests.exceptions import ReadTimeout
from urllib3.exceptions import ProtocolError

from include.errors import ConfigError
from include.step.plate import StepPlate
from visionloop_airflow import settings
from visionloop_airflow.gpus import GPUS_LABEL, chosen_gpus, gpus_label
from visionloop_airflow.log_lines import LogLines
from visionloop_airflow.outcomes import EngineUnreachable, StepLost
from visionloop_airflow.step_job import StepJob

GRACE_S = 10
CONFLICT = 409
BROKEN = (EngineConnectionError, ReadTimeout, ProtocolError)
NO_GPU = ("device driver", "nvidia")  # what an engine says without NVIDIA's runtime, and with it but without a driver


def engine_url() -> str:
    """The engine's address, as the docker client has it."""
    return os.environ.get("DOCKER_HOST") or "unix://var/run/docker.sock"


class DockerStepOperator(StepJob, DockerOperator):
    """A step in a container of its image."""

    def __init__(self, *, plate: StepPlate, addresses: dict[str, str], config: dict[str, Any], **kwargs: Any) -> None:
        self.set_up(plate, addresses, config)
        # mount_tmp_dir would bind a folder of the worker, which the engine's host may not have
        super().__init__(image=f"visionloop/{plate.image}", mount_tmp_dir=False, **kwargs)

    def environment_name(self) -> str:
        return settings.image_id(self.plate.image)

    @property
    def cli(self) -> APIClient:
        try:
            return super().cli
        except AirflowException:
            raise self._unreachable() from None

    def _unreachable(self) -> EngineUnreachable:
        return EngineUnreachable(f"{self.plate.name}: no Docker engine answers at {engine_url()}; start it, or set DOCKER_HOST")

    def execute(self, context: Context) -> None:
        try:
            super().execute(context)
        except BROKEN as broken:  # the step may well go on: the next try looks for it
            raise self._unreachable() from broken

    def _host_config(self, gpus: list[int]) -> Any:
        plate, limit = self.plate, float(self.cli.info()["NCPU"])
        return self.cli.create_host_config(
            network_mode=settings.docker_network(),
            init=True,  # reaps what the step leaves behind, passes signals on
            read_only=True,
            tmpfs={"/tmp": "rw,exec,mode=1777"},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=plate.memory_mb * 2**20,
            memswap_limit=plate.memory_mb * 2**20,  # no swap beyond it: an overrun ends the step, not the machine
            nano_cpus=int(min(plate.cpus, limit) * 1e9),  # a hard limit, unlike DockerOperator's cpus, which is a weight
            shm_size=plate.shm_mb * 2**20,
            device_requests=[DeviceRequest(device_ids=[str(one) for one in gpus], capabilities=[["gpu"]])] if gpus else None,
            log_config=LogConfig(type=LogConfig.types.JSON),  # follow() reads it, whatever the engine's default
        )

    def _gpus_in_use(self) -> list[str]:
        running = self.cli.containers(filters={"label": GPUS_LABEL})  # of other installations on this engine, too
        return [one["Labels"][GPUS_LABEL] for one in running]

    def start(self, job: str, arguments: list[str], environment: dict[str, str], labels: dict[str, str]) -> None:
        if environment.get("VISIONLOOP_STORE", "").startswith("file:"):
            raise ConfigError(f"{self.plate.name}: VISIONLOOP_STORE is a folder, which no container sees; use s3://…")
        command = ["python", "-u", "-m", f"tasks.{self.plate.name}", *arguments]
        with chosen_gpus(self.plate.gpus, self._gpus_in_use) as gpus:
            self._create(job, command, environment, labels | gpus_label(gpus), self._host_config(gpus))
            self._start(job)

    def _create(self, job: str, command: list[str], environment: dict[str, str], labels: dict[str, str], host: Any) -> None:
        image = settings.image_id(self.plate.image)
        for attempt in (1, 2):
            try:
                self.cli.create_container(image, command, name=job, environment=environment, labels=labels, host_config=host)
                return
            except ImageNotFound:
                raise ConfigError(f"{self.plate.name}: the engine has no image {image}; build it with `make images`") from None
            except APIError as error:
                if error.status_code != CONFLICT or attempt == 2:
                    raise
                if self.status(job) == "running":  # an earlier try died between starting it and noting that it did
                    return
                self.remove(job)

    def _start(self, job: str) -> None:
        try:
            self.cli.start(job)
        except APIError as error:
            self.remove(job)
            if any(word in str(error.explanation) for word in NO_GPU):
                wanted = f"tasks/{self.plate.name}/step.toml asks for {self.plate.gpus} GPU, but this engine has none to give"
                remedy = "install nvidia-container-toolkit beside it, or set VISIONLOOP_GPUS=0 to run without"
                raise ConfigError(f"{self.plate.name}: {wanted} ({error.explanation}); {remedy}") from None
            raise

    def _state(self, job: str) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = self.cli.inspect_container(job)["State"]
        except NotFound:
            return None
        return state

    def status(self, job: str) -> str:
        state = self._state(job)
        if state is None or state["Status"] == "created":  # made but never started: nothing to wait for
            return "gone"
        return "running" if state["Running"] else "finished"

    def follow(self, job: str, lines: LogLines) -> None:
        # logs(), not attach(): docker-py's attach replays nothing, and never returns if the container has ended already
        shown_bytes = 0
        while True:
            passed_bytes = 0
            try:
                with closing(self.cli.logs(job, stdout=True, stderr=True, stream=True, follow=True)) as stream:
                    for chunk in stream:
                        lines.feed(chunk[max(0, shown_bytes - passed_bytes) :])
                        passed_bytes += len(chunk)
                        shown_bytes = max(shown_bytes, passed_bytes)
            except NotFound:
                return
            except BROKEN as broken:
                self.log.warning("the log stream broke (%s); following again", broken)
            if self.status(job) != "running":
                return
            time.sleep(1)

    def exit_code(self, job: str) -> tuple[int, bool]:
        try:
            code = int(self.cli.wait(job)["StatusCode"])
        except NotFound:
            raise StepLost("the container was removed") from None
        state = self._state(job) or {}
        return code, bool(state.get("OOMKilled")) and code != 0  # a killed child of the step ends it with another code

    def stop(self, job: str) -> None:
        try:
            self.cli.stop(job, timeout=GRACE_S)
        except NotFound:
            return

    def remove(self, job: str) -> None:
        try:
            self.cli.remove_container(job, force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != CONFLICT:
                raise
            with suppress(NotFound):  # somebody else is removing it: its name is free only then
                self.cli.wait(job, condition="removed", timeout=GRACE_S)
