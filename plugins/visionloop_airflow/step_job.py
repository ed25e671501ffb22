"""One definition of a step, three places to run it: what all runtimes share.

A runtime gives `start`, `status`, `follow`, `exit_code`, `stop` and `remove` for a job that outlives its worker. The job's
name follows from the task, so a retry after a lost worker finds the running job, or its finished result, instead of
starting a second one.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator, Context, ResumableJobMixin
from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTimeout
from airflow.sdk.log import mask_secret

from include.step.plate import StepPlate
from include.storage.addresses import CARD, clean, run_folder, task_folder
from visionloop_airflow import settings
from visionloop_airflow.links import base_url
from visionloop_airflow.log_lines import LogLines
from visionloop_airflow.oncall.failure_note import write_note
from visionloop_airflow.outcomes import StepLost, raise_outcome
from visionloop_airflow.outlet_events import read_card, tell
from visionloop_airflow.refs import RUN_FOLDER

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

LABEL = "visionloop.step"
# Torch's threads spin while they wait for each other. Beside other work that made a training of two threads 16 times slower.
ON_A_BUSY_MACHINE = {"OMP_WAIT_POLICY": "PASSIVE"}


class StepJob(ResumableJobMixin, BaseOperator):
    """A step as an operator, wherever it runs. `addresses` and `config` are templated."""

    template_fields: Sequence[str] = ("addresses", "config")
    template_fields_renderers = {"addresses": "json", "config": "json"}  # noqa: RUF012 - Airflow's own attribute
    external_id_key = "step_job"
    ui_color = "#e8f0fe"

    plate: StepPlate
    addresses: dict[str, str]
    config: dict[str, Any]

    def set_up(self, plate: StepPlate, addresses: dict[str, str], config: dict[str, Any]) -> None:
        """What every runtime's constructor does, before its parent's."""
        self.plate, self.addresses, self.config = plate, addresses, config
        self._job: str | None = None

    # What a runtime provides

    @abstractmethod
    def start(self, job: str, arguments: list[str], environment: dict[str, str], labels: dict[str, str]) -> None:
        """Start the step as a job of this name, or find it running."""

    @abstractmethod
    def status(self, job: str) -> str:
        """`running`, `finished` or `gone`."""

    @abstractmethod
    def follow(self, job: str, lines: LogLines) -> None:
        """Feed the job's output, from its beginning, until the job has ended."""

    @abstractmethod
    def exit_code(self, job: str) -> tuple[int, bool]:
        """The exit code, and whether the memory limit ended it. Raises StepLost if there is none."""

    @abstractmethod
    def stop(self, job: str) -> None:
        """End the job and everything it started."""

    @abstractmethod
    def remove(self, job: str) -> None:
        """Forget an ended job."""

    @abstractmethod
    def environment_name(self) -> str:
        """The image digest, or what stands for it."""

    def addresses_and_secrets(self) -> dict[str, str]:
        """What the step's environment has of them."""
        return settings.addresses_and_secrets(self.plate.name) | settings.labels_token(self.config)

    # What Airflow asks for

    def execute(self, context: Context) -> None:
        """Run the step to its end. Raises the exception that its exit code stands for."""
        ti = context["ti"]
        for name in settings.NEVER_LOGGED:  # whatever the step says, also one that an earlier try started
            mask_secret(self.addresses_and_secrets().get(name))
        for link in self.operator_extra_links:  # Airflow does so at the end; links should work while the step runs
            ti.xcom_push(key=link.xcom_key, value=link.get_link(self, ti_key=cast("TaskInstanceKey", ti)))
        try:
            self.execute_resumable(context)
        except AirflowTaskTimeout as late:
            self.on_kill()
            write_note(ti.dag_id, ti.run_id, ti.task_id, ti.try_number, late)
            raise
        except AirflowSkipException:
            raise
        except Exception as error:
            write_note(ti.dag_id, ti.run_id, ti.task_id, ti.try_number, error)
            raise
        if self.outlets and (events := context.get("outlet_events")) is not None:
            tell(self.outlets, events, read_card(f"{task_folder(ti.dag_id, ti.run_id, ti.task_id)}/{CARD}"))

    def submit_job(self, context: Context) -> str:
        ti = context["ti"]
        job = self.job_name(ti.dag_id, ti.run_id, ti.task_id)
        folder = run_folder(ti.dag_id, ti.run_id)
        arguments = ["--output", f"{folder}/{ti.task_id}", "--config", json.dumps(self.config)]
        for name, address in self.addresses.items():
            # a template of nothing, rendered as a native object, is None
            arguments += ["--input", f"{name}={(address or '').replace(RUN_FOLDER, folder)}"]
        identity = {"DAG_ID": ti.dag_id, "RUN_ID": ti.run_id, "TASK_ID": ti.task_id, "STARTED_BY": started_by(context)}
        identity |= {"GIT_COMMIT": settings.git_commit(), "ENVIRONMENT": self.environment_name(), "RUNTIME": settings.runtime()}
        identity["PAGES"] = base_url()
        environment = {f"VISIONLOOP_{name}": value for name, value in identity.items()} | ON_A_BUSY_MACHINE
        labels = {LABEL: self.plate.name, "visionloop.dag": ti.dag_id, "visionloop.run": ti.run_id, "visionloop.task": ti.task_id}
        self._job = job
        self.start(job, arguments, self.addresses_and_secrets() | environment, labels | {"visionloop.home": str(settings.home())})
        self.log.info("%s runs as %s %s", self.plate.name, settings.runtime(), job)
        return job

    def get_job_status(self, external_id: Any, context: Context) -> str:
        status = self.status(str(external_id))
        if status == "finished":
            code, _ = self.exit_code(str(external_id))
            return "succeeded" if code == 0 else "failed"
        return status

    def is_job_active(self, status: str) -> bool:
        return status == "running"

    def is_job_succeeded(self, status: str) -> bool:
        return status == "succeeded"

    def poll_until_complete(self, external_id: Any, context: Context) -> None:
        self._job = job = str(external_id)
        lines = LogLines(lambda level, text: self.log.log(level, text))
        self.follow(job, lines)
        lines.close()
        try:
            code, out_of_memory = self.exit_code(job)
        except StepLost as lost:
            raise StepLost(f"{self.plate.name}: {lost}; last line: {lines.last_line}") from None
        finally:
            self.remove(job)
        self._job = None
        raise_outcome(self.plate.name, code, lines.error_line, out_of_memory, self.plate.memory_mb)

    def get_job_result(self, external_id: Any, context: Context) -> None:
        """Forget the job: the store outlives a `clear`, and a cleared task must not mistake an old job for its own."""
        self.remove(str(external_id))
        if (store := context.get("task_state_store")) is not None:
            store.delete(self.external_id_key)

    def on_kill(self) -> None:
        if self._job is not None:
            self.log.info("stopping %s", self._job)
            self.stop(self._job)
            self.remove(self._job)

    @staticmethod
    def job_name(dag_id: str, run_id: str, task_id: str) -> str:
        """Readable, unique per task of a run, and the same for every try."""
        digest = hashlib.sha256(f"{settings.home()}/{dag_id}/{run_id}/{task_id}".encode()).hexdigest()[:10]
        return f"{clean(dag_id)[:40]}.{clean(task_id)[:30]}.{digest}"


def started_by(context: Context) -> str:
    """A person's name, the asset events that woke the run, or its schedule."""
    run = context["dag_run"]
    if name := getattr(run, "triggering_user_name", None):
        return str(name)
    kind = str(getattr(run.run_type, "value", run.run_type))
    if kind == "asset_triggered":
        events = context.get("triggering_asset_events") or {}
        return "asset " + ", ".join(sorted(str(getattr(asset, "name", asset)) for asset in events))
    return {"scheduled": "schedule", "manual": "by hand"}.get(kind, kind)
