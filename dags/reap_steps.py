"""# reap_steps: no container or process outlives its task, and no alert is left unsent

**When**: every five minutes. A step whose worker was killed goes on, so that the next try can find it again; when there is
no next try, this DAG ends it. An alert that could not be sent (the chat was down) is sent again.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from visionloop_airflow import assets
from visionloop_airflow.oncall.notifier import ON_CALL

with DAG(
    "reap_steps",
    schedule=assets.at("*/5 * * * *"),
    description="Ends step containers and processes whose task is no longer alive; sends alerts that wait.",
    doc_md=__doc__,
    tags=["housekeeping"],
    default_args={"owner": "visionloop", "execution_timeout": timedelta(minutes=2)},
    max_active_runs=1,
    on_failure_callback=ON_CALL,
    catchup=False,
):

    @task
    def reap_steps() -> None:
        """Compare what runs with what Airflow knows."""
        from visionloop_airflow.reaper import Job, reap

        ti = get_current_context()["ti"]

        def state_of(job: Job) -> str | None:
            states = ti.get_task_states(dag_id=job.dag_id, run_ids=[job.run_id], task_ids=[job.task_id])
            state: str | None = states.get(job.run_id, {}).get(job.task_id, "removed")
            return state

        reap(state_of)

    reap_steps()

    @task
    def send_alerts() -> None:
        """Those that could not be sent when they were written."""
        from visionloop_airflow.oncall.outbox import tell_again

        tell_again()

    send_alerts()
