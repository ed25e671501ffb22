"""The peer of benchmarks/watched_sources.py: as many DAGs, each on a stock AssetWatcher that looks for a local file."""

from __future__ import annotations

import os

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.triggers.file import FileDeleteTrigger
from airflow.sdk import DAG, Asset, AssetWatcher

for number in range(int(os.environ["BENCHMARK_SOURCES"])):
    trigger = FileDeleteTrigger(filepath=f"/nonexistent/{number}", poke_interval=float(os.environ["BENCHMARK_POLL_S"]))
    watcher = AssetWatcher(name=f"file_{number}", trigger=trigger)
    asset = Asset(f"file/{number}", uri=f"x-visionloop://file/{number}", watchers=[watcher])
    with DAG(f"stock__{number}", schedule=[asset], catchup=False) as dag:
        EmptyOperator(task_id="nothing")
    globals()[dag.dag_id] = dag
