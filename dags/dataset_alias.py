"""# dataset_alias: point a movable name (`golden`, `production`) at a version

Every move is kept, with its reason.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from visionloop_airflow import operations
from visionloop_airflow.oncall.notifier import ON_CALL

with DAG(
    "dataset_alias",
    schedule=None,
    description="By hand: point a movable name at a version.",
    doc_md=__doc__,
    tags=["dataset", "by hand"],
    default_args={"owner": "visionloop", "execution_timeout": timedelta(minutes=2)},
    params=operations.ALIAS,
    max_active_runs=1,
    on_failure_callback=ON_CALL,
    catchup=False,
):

    @task
    def move_alias() -> None:
        """One small object in the store."""
        operations.move_alias(get_current_context())

    move_alias()
