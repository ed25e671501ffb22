"""Airflow's REST API, as far as the command line needs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import httpx
import tenacity

from cli.home import Stack, StackError

ACTIVE = ("queued", "running")
PATIENTLY = tenacity.Retrying(  # for a busy machine, or an api-server that is started again
    retry=tenacity.retry_if_exception_type(httpx.TransportError),
    stop=tenacity.stop_after_delay(180),
    wait=tenacity.wait_exponential(max=10),
    reraise=True,
)


@dataclass(frozen=True)
class TaskState:
    """A task of a run, as it stands now."""

    dag_id: str
    run_id: str
    task_id: str
    state: str | None
    try_number: int
    started_at: datetime | None
    duration_s: float | None

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.dag_id, self.run_id, self.task_id, self.try_number


class AirflowApi:
    """A logged-in client. Raises StackError with Airflow's answer where it says no."""

    def __init__(self, stack: Stack) -> None:
        self.url, self.password = stack.url("airflow"), stack.password

    @cached_property
    def client(self) -> httpx.Client:
        answer = httpx.post(f"{self.url}/auth/token", json={"username": "admin", "password": self.password}, timeout=30)
        answer.raise_for_status()
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return httpx.Client(base_url=f"{self.url}/api/v2", headers=headers, timeout=30, transport=httpx.HTTPTransport(retries=3))

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Asked again while nobody answers. Not so the login before it: a stack that does not run is said at once."""
        return PATIENTLY(self.client.get, path, **options)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self.get(path, **options) if method == "GET" else self.client.request(method, path, **options)
        if answer.is_error:
            raise StackError(f"Airflow: {method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    def import_errors(self) -> dict[str, str]:
        """DAG files that do not load, each with the last line of its error."""
        errors = self._ask("GET", "/importErrors")["import_errors"]
        return {error["filename"]: error["stack_trace"].strip().splitlines()[-1] for error in errors}

    def has_dag(self, dag_id: str) -> bool:
        return self.get(f"/dags/{dag_id}").status_code == 200

    def is_paused(self, dag_id: str) -> bool:
        return bool(self._ask("GET", f"/dags/{dag_id}")["is_paused"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self._ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def recent_runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The last five, latest first."""
        return list(self._ask("GET", f"/dags/{dag_id}/dagRuns", params={"order_by": "-run_after", "limit": 5})["dag_runs"])

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        made = self._ask("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf or {}})
        return str(made["dag_run_id"])

    def clear_failed(self, dag_id: str, run_id: str) -> None:
        """Repeat what failed in a run."""
        body = {"dag_run_id": run_id, "only_failed": True, "dry_run": False, "reset_dag_runs": True}
        self._ask("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        found = self._ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return [
            TaskState(
                dag_id, run_id, one["task_id"], one["state"], one["try_number"],
                datetime.fromisoformat(one["start_date"]) if one["start_date"] else None, one["duration"],
            )
            for one in found
        ]  # fmt: skip

    def _log(self, task: TaskState) -> list[dict[str, Any]]:
        path = f"/dags/{task.dag_id}/dagRuns/{task.run_id}/taskInstances/{task.task_id}/logs/{max(task.try_number, 1)}"
        answer = self.get(path, params={"full_content": True}, headers={"Accept": "application/json"})
        content = [] if answer.is_error else answer.json().get("content") or []
        return [entry if isinstance(entry, dict) else {"event": str(entry)} for entry in content]

    def log_lines(self, task: TaskState) -> list[str]:
        """The log of a task's latest try, oldest line first; empty while there is none."""
        return [line for entry in self._log(task) for line in (entry["event"], *_raised(entry)) if line.strip()]

    def error_line(self, task: TaskState) -> str:
        """Why a task failed, in its own words."""
        errors = [line for entry in self._log(task) for line in _raised(entry) or _said(entry)]
        return errors[-1] if errors else "its log does not say why"

    def close(self) -> None:
        self.client.close()


def _raised(entry: dict[str, Any]) -> list[str]:
    return [f"{one['exc_type']}: {one['exc_value']}" for one in entry.get("error_detail") or []]


def _said(entry: dict[str, Any]) -> list[str]:
    return [entry["event"]] if entry.get("level") in ("error", "critical") else []
