"""What flows between the DAGs, as Airflow assets: each DAG is started by the asset of the one before.

`x-` marks a scheme of our own: for any other, Airflow asks every provider whether it knows it, which imports boto3 (half a
second) in each process that parses a DAG file.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, AssetAlias, AssetWatcher, CronTriggerTimetable

from include.definitions import ModelDefinition, SourceDefinition
from visionloop_airflow.label_watch import FinishedWork

# Of a DAG that never ran, each reading of its file asks anew when it will: a file read in the second between a time's coming and
# the scheduler's look would put the run off by a day (20 of 20 new models were, in benchmarks/nightly_lag.py)
JUST_NOW = timedelta(minutes=2)


def delivered(source: SourceDefinition) -> Asset:
    """Finished work at a source, seen by its watcher."""
    trigger = FinishedWork(
        source.name, source.kind, source.prefix, source.service,
        source.poll_every_s, source.min_new_images, source.max_wait_s,
    )  # fmt: skip
    watcher = AssetWatcher(name=f"finished_work_{source.name}", trigger=trigger)
    return Asset(f"delivered/{source.name}", uri=f"x-visionloop://delivered/{source.name}", watchers=[watcher])


def checked_labels(source: str) -> Asset:
    return Asset(f"labels/{source}", uri=f"x-visionloop://labels/{source}")


def dataset(name: str) -> Asset:
    return Asset(f"dataset/{name}", uri=f"x-visionloop://dataset/{name}")


def whichever_dataset() -> AssetAlias:
    """Stands for `dataset(name)` where a form says the name."""
    return AssetAlias("whichever_dataset")


def champion(model: str) -> Asset:
    return Asset(f"champion/{model}", uri=f"x-visionloop://champion/{model}")


def reviewed(model: ModelDefinition) -> list[Asset] | CronTriggerTimetable | None:
    """When a champion looks for label errors, as `review` of the model's definition says."""
    if model.review == "by hand":
        return None
    return [champion(model.name)] if model.review == "new champion" else at(model.review)


def at(cron: str) -> CronTriggerTimetable:
    """A cron time in UTC. Switching a DAG on does not run the time that has passed, unless it has just come."""
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=JUST_NOW)
