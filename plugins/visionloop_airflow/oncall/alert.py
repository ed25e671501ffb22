"""An alert: what failed, in which run, since when, what still serves, what the step said, and where to look."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from include.definitions import Severity
from include.monitoring.alerts import Alert, models_of
from visionloop_airflow.links import base_url
from visionloop_airflow.oncall.failure_note import read_note
from visionloop_airflow.oncall.production import what_serves

# What these find wrong is wrong with what is in production, or may be
CRITICAL = ("storage_audit", "rollback")


def of_failure(context: Any, now: datetime) -> Alert:
    """From the context that Airflow gives a DAG's failure callback."""
    dag_id, run_id = context["dag"].dag_id, context["run_id"]
    run, ti = context.get("dag_run"), context.get("ti")
    task_id, try_number = getattr(ti, "task_id", None), getattr(ti, "try_number", None)
    where = f" at {task_id}" if task_id else ""
    said = read_note(dag_id, run_id, task_id, try_number or 0) if task_id else None
    what = said or _without_a_word(str(context.get("reason")), task_id)
    since = f"started {_minute(getattr(run, 'start_date', None))}, failed {_minute(now)} UTC"
    tries = f", try {try_number}" if try_number else ""
    severity: Severity = "critical" if dag_id.partition("__")[0] in CRITICAL else "error"
    models = models_of(dag_id)
    lines = [what, "", f"Run: {run_id}, {since}{tries}", *_serving(models), *_links(dag_id, run_id, task_id)]
    return Alert(severity, f"{dag_id} failed{where}", "\n".join(lines), models, now.isoformat())


def of_lateness(dag_id: str, run_id: str, started: str, hours: float, now: datetime) -> Alert:
    """A run that has not ended in the time that its definition gives it."""
    models = models_of(dag_id)
    what = f"not ended {hours:g} h after its start (late_after_h); it goes on"
    lines = [what, "", f"Run: {run_id}, started {started[:16].replace('T', ' ')} UTC", *_serving(models)]
    return Alert(
        "warning", f"{dag_id} is late", "\n".join([*lines, *_links(dag_id, run_id, None)]), models, now.isoformat()
    )  # fmt: skip


def _without_a_word(reason: str, task_id: str | None) -> str:
    if reason == "task_failure" and task_id:
        return f"{task_id} failed and left no last word (it may have been killed): see its log"
    return reason


def _serving(models: tuple[str, ...]) -> list[str]:
    try:
        return [what_serves(model) for model in models]
    except Exception as error:  # the store may be what failed; that is no reason to tell nobody
        return [f"What serves is not known: the store does not answer ({type(error).__name__}: {error})"]


def _links(dag_id: str, run_id: str, task_id: str | None) -> list[str]:
    base = base_url()
    run = f"{base.rpartition('/')[0]}/dags/{quote(dag_id)}/runs/{quote(run_id)}"
    lines = [f"Log: {run}/tasks/{task_id}" if task_id else f"Run: {run}"]
    if dag_id.startswith("model__"):
        lines.append(f"MLflow: {base}/mlflow/{quote(dag_id)}/{quote(run_id)}")
    step = task_id.rpartition(".")[2] if task_id else dag_id.partition("__")[0]  # in a task group: without its name
    return [*lines, f"What to do: {base}/runbook#{step}"]


def _minute(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M}" if when else "?"
