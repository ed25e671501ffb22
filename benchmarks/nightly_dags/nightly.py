"""Nightly models with tiny tasks, for benchmarks/nightly_lag.py: scheduled and watched as dags/models.py does it."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, AssetOrTimeSchedule, task

from include.definitions import ModelDefinition
from visionloop_airflow import assets
from visionloop_airflow.oncall.notifier import ON_CALL, deadline

STEPS = ("train_detector", "pack_model", "evaluate_model", "test_bundle", "promote_model")
nights = Path(os.environ["BENCHMARK_NIGHTS"])  # written when the stack is up: {name: cron}


def model_dag(name: str, cron: str) -> DAG:
    """Five tasks in a row that do nothing."""
    model = ModelDefinition(name=name, owner="us", dataset=name, nightly=cron)
    with DAG(
        f"model__{name}",
        schedule=AssetOrTimeSchedule(timetable=assets.at(model.nightly), assets=assets.dataset(model.dataset)),
        max_active_runs=1,
        on_failure_callback=ON_CALL,
        deadline=deadline(model),
        catchup=False,
        dagrun_timeout=timedelta(hours=1),
    ) as dag:
        before = None
        for step in STEPS:

            @task(task_id=step)
            def nothing() -> None: ...

            this = nothing()
            if before is not None:
                before >> this
            before = this
    return dag


for each, when in (json.loads(nights.read_text()) if nights.exists() else {}).items():
    globals()[f"model__{each}"] = model_dag(each, when)
