import asyncio
import json
import logging
import socket
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from include.monitoring.alerts import Alert
from include.storage import open_store
from tests.receiver import chat
from visionloop_airflow.oncall import outbox
from visionloop_airflow.oncall.alert import of_failure
from visionloop_airflow.oncall.failure_note import write_note
from visionloop_airflow.oncall.notifier import OnCall

NOW = datetime(2026, 1, 2, 2, 13, tzinfo=UTC)
RUN = "scheduled__2026-01-02T02:00:00+00:00"
ROUTE = "owner: us\nurls_in: VISIONLOOP_ALERT_URLS\n"
MODELS = {
    "sources/cells.yaml": "owner: us\nkind: coco\nprefix: inbox/cells\n",
    "datasets/cells.yaml": "owner: us\nsources: [cells]\nclasses: [cell]\n",
    "models/cells.yaml": "owner: us\ndataset: cells\n",
    "models/leaves.yaml": "owner: us\ndataset: leaves\n",
}


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def define(tmp_path, monkeypatch):
    """Writes definition files, those of MODELS and more."""

    def write(**routes):
        files = MODELS | {f"alerting/{name}.yaml": text for name, text in routes.items()}
        for name, text in files.items():
            path = tmp_path / "definitions" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    monkeypatch.setenv("VISIONLOOP_DEFINITIONS", str(tmp_path / "definitions"))
    return write


@pytest.fixture
def room(monkeypatch):
    with chat() as room:
        monkeypatch.setenv("VISIONLOOP_ALERT_URLS", room.url)
        yield room


def failed(dag_id="model__cells", task_id="train_detector", try_number=1):
    ti = SimpleNamespace(task_id=task_id, try_number=try_number)
    run = SimpleNamespace(start_date=datetime(2026, 1, 2, 2, 0, tzinfo=UTC))
    return {"dag": SimpleNamespace(dag_id=dag_id), "run_id": RUN, "dag_run": run, "ti": ti, "reason": "task_failure"}


def promoted(store, model, number, champion_after, ended_at):
    card = {"champion_after": champion_after, "made_by": {"ended_at": ended_at}}
    store.write(f"models/{model}/promotions/{number}.json", json.dumps(card).encode())


def alert(severity="error", models=("cells",), at=NOW):
    return Alert(severity, "model__cells failed at train_detector", "why", models, at.isoformat())


def test_an_alert_says_what_which_run_since_when_what_serves_and_where_to_look(store, define):
    define()
    promoted(store, "cells", 9, "2", "2025-12-24T01:00:00Z")
    promoted(store, "cells", 10, "3", "2025-12-25T02:41:09Z")
    promoted(store, "cells", 11, "3", "2026-01-01T02:40:00Z")  # a challenger that lost
    write_note("model__cells", RUN, "train_detector", 2, RuntimeError("train_detector: batch_size: got 0"))
    said = of_failure(failed(try_number=2), NOW)
    assert (said.severity, said.title, said.models) == ("error", "model__cells failed at train_detector", ("cells",))
    run = "scheduled__2026-01-02T02%3A00%3A00%2B00%3A00"
    assert said.text.splitlines() == [
        "train_detector: batch_size: got 0",
        "",
        f"Run: {RUN}, started 2026-01-02 02:00, failed 2026-01-02 02:13 UTC, try 2",
        "cells: champion 3 still serves, since 2025-12-25 02:41 UTC",
        f"Log: http://airflow.example/dags/model__cells/runs/{run}/tasks/train_detector",
        f"MLflow: http://airflow.example/visionloop/mlflow/model__cells/{run}",
        "What to do: http://airflow.example/visionloop/runbook#train_detector",
    ]


@pytest.mark.parametrize(
    ("dag_id", "models", "severity"),
    [
        ("labels__cells", ("cells",), "error"),
        ("dataset__leaves", ("leaves",), "error"),
        ("storage_audit", ("cells", "leaves"), "critical"),
    ],
)
def test_an_alert_concerns_the_models_that_wait_for_the_dag(store, define, dag_id, models, severity):
    define()
    said = of_failure(failed(dag_id), NOW)
    assert (said.models, said.severity) == (models, severity)


def test_the_error_of_an_earlier_try_is_not_taken_for_the_last(store, define):
    define()
    write_note("model__cells", RUN, "train_detector", 1, RuntimeError("the engine was away"))
    assert "failed and left no last word" in of_failure(failed(try_number=2), NOW).text


@pytest.fixture
def silent():
    """The URL of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_a_store_that_is_down_hinders_no_alert(define, room, monkeypatch, silent, how):
    define(oncall=ROUTE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", silent if how == "is silent" else "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("VISIONLOOP_STORE", "s3://bucket")
    started = time.monotonic()
    OnCall().notify(failed())
    assert time.monotonic() - started < 40  # Airflow ends a callback after 50 s
    assert room.told[0]["title"] == "[error] model__cells failed at train_detector"
    assert "left no last word" in room.told[0]["message"]
    assert "What serves is not known: the store does not answer" in room.told[0]["message"]


def test_a_secret_in_an_error_is_masked(store, define):
    from airflow.sdk.log import mask_secret

    define()
    mask_secret("tok-12345678")
    write_note("labels__cells", RUN, "ingest_labels", 1, RuntimeError("GET /?key=tok-12345678: 401"))
    said = of_failure(failed("labels__cells", "ingest_labels"), NOW).text
    assert "GET /?key=***: 401" in said


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ("", 1),
        ("severities: [critical]\n", 0),
        ("models: [leaves]\n", 0),
        ("models: [leaves, cells]\n", 1),
    ],
    ids=["everything", "another severity", "another model", "one of its models"],
)
def test_a_route_takes_what_it_asks_for(store, define, room, route, told):
    define(oncall=ROUTE + route)
    assert outbox.tell(alert())
    assert len(room.told) == told
    assert list(store.list("alerts")) == []


def test_an_alert_that_nobody_took_is_sent_again_until_a_day_is_over(store, define, room):
    define(oncall=ROUTE)
    room.answers = 503
    assert not outbox.tell(alert())
    (waiting,) = store.list("alerts/waiting")
    now = waiting.modified
    assert outbox.tell_again(now + timedelta(minutes=1)) == 0  # may be on its way
    room.answers = 200
    assert outbox.tell_again(now + timedelta(minutes=3)) == 1
    assert [one["title"] for one in room.told] == ["[error] model__cells failed at train_detector"]
    assert list(store.list("alerts")) == []
    room.answers = 503
    outbox.tell(alert())
    assert outbox.tell_again(now + timedelta(days=1, minutes=3)) == 0
    assert [entry.key.rpartition("/")[0] for entry in store.list("alerts")] == ["alerts/given_up"]


def test_one_address_that_is_down_does_not_silence_the_other(store, define, room, monkeypatch):
    define(oncall=ROUTE)
    monkeypatch.setenv("VISIONLOOP_ALERT_URLS", f"json://127.0.0.1:1/ {room.url}")
    assert not outbox.tell(alert())
    assert len(room.told) == 1


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ("", "nobody is told by include/alerting/oncall.yaml: VISIONLOOP_ALERT_URLS is not set"),
        ("nonsense://", "include/alerting/oncall.yaml: 1 of its URLs are not Apprise URLs"),
    ],
    ids=["none", "not an Apprise URL"],
)
def test_an_address_that_is_none_is_said(store, define, monkeypatch, caplog, urls, said):
    define(oncall=ROUTE)
    monkeypatch.setenv("VISIONLOOP_ALERT_URLS", urls)
    with caplog.at_level(logging.WARNING):
        outbox.tell(alert())
    assert said in caplog.text


def test_a_late_run_is_told_from_the_triggerer(store, define, room):
    define(oncall=ROUTE)
    run = {"dag_id": "model__cells", "dag_run_id": RUN, "start_date": None, "queued_at": "2026-01-02T02:00:00Z"}
    asyncio.run(OnCall(late_after_h=1.5).async_notify({"dag_run": run, "deadline": {}}))
    assert room.told[0]["title"] == "[warning] model__cells is late"
    assert room.told[0]["message"].startswith("not ended 1.5 h after its start (late_after_h); it goes on\n\nRun: scheduled__")
    assert "cells: no champion yet: nothing serves" in room.told[0]["message"]
