"""`visionloop labels status | sync`, as typed."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from cli import labels
from cli.__main__ import app
from cli.airflow_api import TaskState
from cli.home import StackError
from include.artifacts import CheckedLabels, Delivery, LabelBatch
from include.errors import BadInputError, ConfigError
from include.labelling.calls import write_calls
from include.labelling.items import Item
from include.labelling.ledger import Cursor, Ledger
from include.step.run import publish
from include.storage import open_store
from tests.cli.cards import X, made

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TREES = "kind: coco\nowner: ada\nprefix: inbox/trees\n"


def item(name, status, revision="1"):
    return Item(name, revision, status, f"in the service: {status}", NOON)


def delivery(name, revision="1", **more):
    return Delivery(item=name, name=name, revision=revision, state="done", original=X, images=1, annotations=2, **more)


def take_in(store, number, deliveries):
    batch = LabelBatch(
        made_by=made("ingest_labels", f"r{number}"), inputs={}, config={}, source="trees", batch_id=f"{number:016x}",
        deliveries=tuple(deliveries), images_table=X, annotations_table=X, images=1, annotations=2,
    )  # fmt: skip
    publish(store, batch, f"runs/labels__trees/r{number}/ingest_labels")


def check(store, number, accepted, rejected, rules):
    checked = CheckedLabels(
        made_by=made("validate_annotations", f"r{number}"), inputs={}, config={}, source="trees", batch_id=f"{number:016x}",
        images_table=X, annotations_table=X, findings_table=X, images_accepted=1, images_rejected=0,
        annotations_accepted=accepted, annotations_rejected=rejected, rejected_by_rule=rules, data_docs="d",
    )  # fmt: skip
    publish(store, checked, f"runs/labels__trees/r{number}/validate_annotations")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Two sources; of `trees`: a corrected item, one gone, one refused, two waiting, one skipped, one finished since."""
    store = open_store(f"file://{tmp_path}/store")
    monkeypatch.setenv("VISIONLOOP_STORE", store.url)
    monkeypatch.setenv("VISIONLOOP_DEFINITIONS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    (tmp_path / "sources").mkdir()
    for name in ("trees", "crowns"):
        (tmp_path / "sources" / f"{name}.yaml").write_text(TREES)
    seen = {
        "corrected": "finished", "gone": "gone", "refused": "finished", "waiting-1": "waiting", "waiting-2": "waiting",
        "skipped": "skipped", "pending": "finished",
    }  # fmt: skip
    items = {name: item(name, status, "2" if name == "corrected" else "1") for name, status in seen.items()}
    Ledger(store, "trees").record(items, NOON + timedelta(hours=1))
    take_in(store, 1, [delivery("corrected"), delivery("gone"), delivery("refused", refused="not JSON")])
    take_in(store, 2, [delivery("corrected", "2"), delivery("gone", is_gone=True)])
    take_in(store, 3, [delivery("corrected", "2")])
    check(store, 1, 8, 1, {"known_class": 1})
    check(store, 2, 7, 3, {"known_class": 2, "box_inside_image": 1})
    Ledger(store, "trees").move_cursor(Cursor(NOON, NOON, "rule"))
    write_calls(store, "one", {"trees": {"accepted": 2, "forged": 1}, "-": {"unknown": 4}})
    write_calls(store, "two", {"trees": {"accepted": 3}})
    return store


def run(*words):
    return CliRunner().invoke(app, ["labels", *words])


def test_status_counts_what_the_ledger_and_the_checks_say(store):
    answer = json.loads(run("status", "--json").output)
    assert [one["source"] for one in answer["sources"]] == ["crowns", "trees"]
    assert answer["webhooks_without_source"] == 4
    trees = answer["sources"][1]
    assert {name: trees[name] for name in ("taken_in", "pending", "waiting", "skipped", "refused", "gone")} == {
        "taken_in": 1, "pending": 1, "waiting": 2, "skipped": 1, "refused": 1, "gone": 1,
    }  # fmt: skip
    assert (trees["accepted_annotations"], trees["rejected_annotations"]) == (15, 4)
    assert trees["rejected_by_rule"] == {"box_inside_image": 1, "known_class": 3}
    assert (trees["batches"], trees["unchecked"]) == (3, 1)
    assert trees["webhooks"] == {"accepted": 5, "forged": 1}
    assert trees["last_seen"] == "2026-01-01 13:00:00+00:00"


def test_lag_is_how_long_finished_work_has_waited(store):
    def lag_s(source):
        return labels.standing(store, source, "coco", {}, NOON + timedelta(minutes=90)).lag_s

    assert lag_s("trees") == 5400
    take_in(store, 4, [delivery("pending")])
    assert lag_s("trees") == 0
    assert lag_s("crowns") == 0


def test_status_of_a_source_that_was_never_seen(store):
    crowns = json.loads(run("status", "crowns", "--json").output)["sources"][0]
    assert (crowns["last_seen"], crowns["last_sweep"], crowns["taken_in"], crowns["webhooks"]) == (None, None, 0, {})
    assert "never" in run("status", "crowns").output


def test_status_is_a_line_per_source_and_names_calls_for_none(store):
    lines = [line.split() for line in run("status").output.splitlines()]
    assert lines[1][:3] == ["crowns", "never", "never"]
    assert lines[2][:3] == ["trees", "2026-01-01", "13:00"]
    assert lines[2][-4:] == ["5", "accepted,", "1", "forged"]
    assert lines[3] == ["webhooks", "for", "no", "source", "of", "ours:", "4"]


def test_status_of_one_source_tells_rules(store):
    rows = [line.split() for line in run("status", "trees").output.splitlines()]
    assert ["rejected", "by", "rule", "box_inside_image", "1,", "known_class", "3"] in rows
    assert ["taken", "in", "1"] in rows


@pytest.mark.parametrize("command", ["status", "sync"])
def test_an_unknown_source_names_those_there_are(store, command):
    error = run(command, "oaks").exception
    assert isinstance(error, BadInputError)
    assert str(error) == "source oaks: include/sources/ has no oaks.yaml; the sources are crowns, trees"


def test_a_broken_definition_is_named(store, tmp_path):
    (tmp_path / "sources" / "oaks.yaml").write_text("kind: coco\n")
    error = run("status").exception
    assert isinstance(error, ConfigError)
    assert "oaks.yaml" in str(error)


class Airflow:
    """A run as Airflow's API tells it, moment by moment."""

    url = "http://airflow.example"

    def __init__(self, *moments, paused=False):
        self.moments, self.paused, self.triggered = list(moments), paused, []

    def is_paused(self, dag_id):
        return self.paused

    def trigger(self, dag_id):
        self.triggered.append(dag_id)
        return "manual__1"

    def run_state(self, dag_id, run_id):
        return self.moments[0][0]

    def tasks(self, dag_id, run_id):
        _state, *tasks = self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]
        names = ("ingest_labels", "validate_annotations")
        return [TaskState(dag_id, run_id, name, now, 1, None, 2.0) for name, now in zip(names, tasks, strict=True)]

    def error_line(self, task):
        return "trees: no token for its labelling service"

    def log_lines(self, task):
        return []

    def close(self): ...


@pytest.fixture
def airflow(store, monkeypatch):
    def play(*moments, **more):
        found = Airflow(*moments, **more)
        monkeypatch.setattr(labels, "Home", lambda: SimpleNamespace(stack=lambda: None))
        monkeypatch.setattr(labels, "AirflowApi", lambda stack: found)
        monkeypatch.setattr(labels, "LOOK_EVERY_S", 0)
        return found

    return play


def test_sync_starts_the_sources_dag_and_follows_it_to_its_end(airflow):
    api = airflow(("queued", None, None), ("running", "running", None), ("running", "success", "running"),
                  ("success", "success", "success"))  # fmt: skip
    done = run("sync", "trees")
    assert done.exit_code == 0
    assert api.triggered == ["labels__trees"]
    assert done.output.count("✔ labels__trees   ingest_labels") == 1
    assert done.output.count("✔ labels__trees   validate_annotations") == 1
    assert "nothing new" not in done.output


def test_sync_of_nothing_new_says_so(airflow):
    airflow(("running", "running", None), ("success", "skipped", "skipped"))
    done = run("sync", "trees")
    assert done.exit_code == 0
    assert done.output.endswith("trees: nothing new\n")


def test_sync_ends_with_the_failed_tasks_own_words(airflow):
    airflow(("running", "running", None), ("failed", "failed", "upstream_failed"))
    error = run("sync", "trees").exception
    assert isinstance(error, StackError)
    assert str(error) == "labels__trees ingest_labels failed: trees: no token for its labelling service"


def test_sync_of_a_dag_that_is_switched_off_starts_nothing(airflow):
    api = airflow(("success", "success", "success"), paused=True)
    error = run("sync", "trees").exception
    assert isinstance(error, StackError)
    assert "switch it on" in str(error)
    assert api.triggered == []
