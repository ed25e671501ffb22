"""The forms in a real Airflow: a filter's version starts the model DAG, with version and digest in the event."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import DatasetVersion
from include.versions import aliases
from tests.end_to_end.loop import Loop
from tests.receiver import Chat, chat
from tests.versions import put_version

pytestmark = [pytest.mark.e2e, pytest.mark.integration, pytest.mark.timeout(1800)]
NEEDED = ("dataset_filter", "dataset_transform", "dataset_alias")


@pytest.fixture(scope="module")
def room() -> Iterator[Chat]:
    with chat() as room:
        yield room


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory, room: Chat) -> Any:
    loop = Loop(tmp_path_factory.mktemp("operations"), epochs=1, VISIONLOOP_ALERT_URLS=room.url)
    try:
        loop.up()
        loop.until(lambda: all(loop.api.has_dag(dag_id) for dag_id in NEEDED), "the operations' DAGs")
        images = [{"relpath": f"images/{site}.png", "attributes": {"site": site}} for site in ("north", "south")]
        put_version(loop.store, "shapes", ("square", "disc"), images, [])
        yield loop
    finally:
        loop.close()


def ended(loop: Loop, dag_id: str, **answers: Any) -> tuple[str, str]:
    """State of the run's one task, and why."""
    run = loop.api.trigger(dag_id, answers)

    def check() -> Any:
        (task,) = loop.api.tasks(dag_id, run) or [None]
        return task if task is not None and task.state in ("success", "failed", "skipped") else None

    task = loop.until(check, f"{dag_id} to end")
    return task.state, loop.api.error_line(task) if task.state == "failed" else ""


def test_a_filters_version_starts_the_model_dag_and_is_named_in_the_event(loop: Loop, tmp_path: Path) -> None:
    assert ended(loop, "dataset_filter", version="shapes:latest", where=["site == north"]) == ("success", "")
    made = DatasetVersion.load(loop.store, "datasets/shapes/v2.json")
    assert made.splits["train"].images == 1
    # of a run that waits in the queue Airflow 3.3 answers this with 500: its start is missing
    (run,) = loop.until(lambda: [run for run in loop.runs("model__shapes") if run["start_date"]], "the model DAG to start")
    events = loop.api.client.get(f"/dags/model__shapes/dagRuns/{run['dag_run_id']}/upstreamAssetEvents").json()["asset_events"]
    assert [(event["name"], event["extra"]) for event in events] == [
        ("dataset/shapes", {"version": "v2", "digest": made.digest}),
    ]


def test_a_typo_in_the_form_is_said_in_one_line_and_on_call_hears_it(loop: Loop, room: Chat) -> None:
    state, why = ended(loop, "dataset_filter", version="shapes:v1", where=["site = north"])
    assert state == "failed"
    assert "do.filter.where.0: got 'site = north': Value error, expected <column> ==|!=" in why

    def told() -> list[str]:
        return [one["message"] for one in room.told if one["title"] == "[error] dataset_filter failed at derive_dataset"]

    (message,) = loop.until(told, "the alert")
    assert "do.filter.where.0: got 'site = north': Value error" in message
    assert re.search(r"^shapes: (no champion yet: nothing|champion 1 still) serves", message, re.MULTILINE)
    assert f"{loop.stack.url('airflow')}/dags/dataset_filter/runs/" in message


def test_a_transform_takes_its_parameters_as_they_are(loop: Loop) -> None:
    assert ended(loop, "dataset_transform", version="shapes:v1", kind="tile", parameters={"size_px": 32}) == ("success", "")
    made = DatasetVersion.load(loop.store, "datasets/shapes-tile/v1.json")
    assert made.splits["train"].images == 2 * 4  # 64×48 px
    assert made.made_by.started_by == "admin"


def test_an_alias_is_moved_in_the_worker(loop: Loop) -> None:
    assert ended(loop, "dataset_alias", version="shapes:v1", alias="golden", reason="checked by hand") == ("success", "")
    (move,) = aliases.history(loop.store, "shapes", "golden")
    assert (move.version, move.moved_by, move.reason) == ("v1", "admin", "checked by hand")
