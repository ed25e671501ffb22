"""What the store says: written as the steps write it, expected by hand."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from include.artifacts import Delivery, LabelBatch
from include.artifacts.base import Cost, MadeBy
from include.labelling.items import Item
from include.labelling.ledger import Ledger
from include.monitoring.kept import Kept
from include.storage import open_store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
X = "0" * 32
FILES = {
    "sources/cells.yaml": "owner: us\nkind: coco\nprefix: inbox/cells\nquiet_after_h: 48\nmax_wait_s: 60\n",
    "sources/leaves.yaml": "owner: us\nkind: coco\nprefix: inbox/leaves\nquiet_after_h: null\n",
    "sources/broken.yaml": "owner: us\n",
    "datasets/cells.yaml": "owner: us\nsources: [cells]\nclasses: [cell]\n",
    "models/cells.yaml": 'owner: us\ndataset: cells\nnightly: "0 2 * * *"\nlate_after_h: 8\n',
    "models/weekly.yaml": 'owner: us\ndataset: cells\nnightly: "0 2 * * 1"\n',
    "models/odd.yaml": 'owner: us\ndataset: cells\nnightly: "nightly"\n',
}


@pytest.fixture
def store(tmp_path, monkeypatch):
    for name, text in FILES.items():
        path = tmp_path / "definitions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("VISIONLOOP_DEFINITIONS", str(tmp_path / "definitions"))
    return open_store(f"file://{tmp_path}/store")


def take_in(store, number, ended_at, *names, **more):
    made = MadeBy(
        step="ingest_labels", dag_id="labels__cells", run_id="r", task_id="ingest_labels", started_by="ada", git_commit="c",
        environment="lock:1", runtime="process", started_at=ended_at, ended_at=ended_at, duration_s=1,
        cost=Cost(amount=0, currency="EUR"),
    )  # fmt: skip
    deliveries = tuple(
        Delivery(item=name, name=name, revision="1", state="done", original=X, images=1, annotations=2, **more) for name in names
    )
    batch = LabelBatch(
        made_by=made, inputs={}, config={}, source="cells", batch_id=f"{number:016x}", deliveries=deliveries, images_table=X,
        annotations_table=X, images=1, annotations=2,
    )  # fmt: skip
    store.write(f"labels/cells/batches/{number}.json", batch.to_bytes())


def see(store, now, **finished_at):
    items = {name: Item(name, "1", "finished", "done", at, 1) for name, at in finished_at.items()}
    Ledger(store, "cells").record(items, now)


def decide(store, number, decision, ended_at, champion_after, ap50, champion_ap50):
    card = {
        "decision": decision, "champion_after": champion_after, "ap50": ap50, "champion_ap50": champion_ap50,
        "made_by": {"ended_at": ended_at},
    }  # fmt: skip
    store.write(f"models/cells/promotions/{number}.json", json.dumps(card).encode())


def value(metrics, name, **labels):
    class Shown:
        def collect(self):
            return metrics

    registry = CollectorRegistry()
    registry.register(Shown())
    return registry.get_sample_value(f"visionloop_{name}", labels)


def test_an_empty_store_has_counts_of_nothing_and_no_times(store):
    found = Kept().look(store, NOON)
    assert value(found, "source_pending_items", source="cells") == 0
    assert value(found, "dataset_versions", dataset="cells") == 0
    assert value(found, "alerts_waiting") == 0
    assert value(found, "source_last_intake_timestamp_seconds", source="cells") is None
    assert value(found, "model_last_decision_timestamp_seconds", model="cells") is None
    assert value(found, "source_pending_items", source="broken") is None


def test_a_source_tells_of_its_intake_and_of_what_waits(store):
    see(store, NOON, a=NOON, b=NOON + timedelta(minutes=10), c=NOON + timedelta(minutes=5), d=NOON)
    take_in(store, 1, NOON + timedelta(hours=1), "a")
    take_in(store, 2, NOON + timedelta(hours=2), "d", refused="not JSON")
    found = Kept().look(store, NOON)
    assert value(found, "source_last_intake_timestamp_seconds", source="cells") == (NOON + timedelta(hours=2)).timestamp()
    assert value(found, "source_taken_in_items", source="cells") == 1
    assert value(found, "source_refused_items", source="cells") == 1
    assert value(found, "source_pending_items", source="cells") == 2
    waiting_since = value(found, "source_oldest_pending_timestamp_seconds", source="cells")
    assert waiting_since == (NOON + timedelta(minutes=5)).timestamp()
    assert value(found, "source_quiet_after_seconds", source="cells") == 48 * 3600
    assert value(found, "source_max_wait_seconds", source="cells") == 60
    assert value(found, "source_quiet_after_seconds", source="leaves") is None


def test_a_source_is_read_again_only_when_something_came(store, monkeypatch):
    see(store, NOON, a=NOON)
    kept, read = Kept(), []
    real = store.read
    monkeypatch.setattr(store, "read", lambda key: read.append(key) or real(key))
    kept.look(store, NOON)
    first = len(read)
    kept.look(store, NOON)
    assert (first, len(read)) == (1, 1)
    take_in(store, 1, NOON, "a")
    assert value(kept.look(store, NOON), "source_pending_items", source="cells") == 0


def test_a_model_tells_of_its_champion_and_of_the_last_decision(store):
    decide(store, 9, "promoted", "2026-01-01T02:30:00Z", "4", 0.5, 0.4)
    decide(store, 10, "kept champion", "2026-01-02T02:30:00Z", "4", 0.45, 0.52)
    found = Kept().look(store, NOON)
    assert value(found, "model_champion_version", model="cells") == 4
    assert value(found, "model_champion_ap50", model="cells") == 0.52
    assert value(found, "model_challenger_ap50", model="cells") == 0.45
    at = datetime(2026, 1, 2, 2, 30, tzinfo=UTC)
    assert value(found, "model_last_decision_timestamp_seconds", model="cells") == at.timestamp()
    assert value(found, "model_champion_since_timestamp_seconds", model="cells") == (at - timedelta(days=1)).timestamp()


def test_a_model_whose_first_challenger_lost_has_no_champion(store):
    decide(store, 1, "kept champion", "2026-01-02T02:30:00Z", None, 0.1, None)
    found = Kept().look(store, NOON)
    assert value(found, "model_champion_version", model="cells") is None
    assert value(found, "model_champion_ap50", model="cells") is None
    assert value(found, "model_challenger_ap50", model="cells") == 0.1


@pytest.mark.parametrize("key", ["labels/cells/batches/9.json", "labels/cells/seen/9.json", "models/cells/promotions/9.json"])
@pytest.mark.parametrize("data", [b"", b'{"a": 1}', b"[1]", b"\xff"], ids=["empty", "no card", "a list", "no text"])
def test_a_card_that_cannot_be_read_is_counted_and_hides_nothing_else(store, key, data):
    store.write(key, data)
    found = Kept().look(store, NOON)
    assert value(found, "unread") == 1
    assert value(found, "source_pending_items", source="leaves") == 0
    assert value(found, "dataset_versions", dataset="cells") == 0
    assert value(found, "source_max_wait_seconds", source="cells") == 60
    assert value(found, "model_retraining_due_timestamp_seconds", model="cells") is not None
    store.delete(key)
    assert value(Kept().look(store, NOON), "unread") == 0


@pytest.mark.parametrize(
    ("model", "now", "due"),
    [
        ("cells", datetime(2026, 1, 5, 9, 59, tzinfo=UTC), datetime(2026, 1, 4, 2, tzinfo=UTC)),
        ("cells", datetime(2026, 1, 5, 10, 1, tzinfo=UTC), datetime(2026, 1, 5, 2, tzinfo=UTC)),
        ("weekly", datetime(2026, 1, 11, 12, tzinfo=UTC), datetime(2026, 1, 5, 2, tzinfo=UTC)),
    ],
    ids=["not late yet: the night before", "late after 8 hours", "on Mondays"],
)
def test_a_decision_is_due_when_its_night_and_its_patience_are_over(store, model, now, due):
    assert value(Kept().look(store, now), "model_retraining_due_timestamp_seconds", model=model) == due.timestamp()


def test_a_schedule_that_is_none_takes_nothing_else_with_it(store):
    found = Kept().look(store, NOON)
    assert value(found, "model_retraining_due_timestamp_seconds", model="odd") is None
    assert value(found, "model_retraining_due_timestamp_seconds", model="cells") is not None


def test_alerts_and_versions_are_counted(store):
    for key in ("alerts/waiting/1.json", "alerts/waiting/2.json", "alerts/given_up/0.json"):
        store.write(key, b"{}")
    for name in ("v1.json", "v2.json", "v2.html", "v2.changes.html", "aliases/golden/1.json"):
        store.write(f"datasets/cells/{name}", b"{}")
    found = Kept().look(store, NOON)
    assert (value(found, "alerts_waiting"), value(found, "alerts_given_up")) == (2, 1)
    assert value(found, "dataset_versions", dataset="cells") == 2
    oldest = min(entry.modified for entry in store.list("alerts/waiting"))
    assert value(found, "alerts_oldest_waiting_timestamp_seconds") == oldest.timestamp()
