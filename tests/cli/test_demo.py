import pytest
from rich.console import Console

from cli.airflow_api import TaskState
from cli.demo import deliver, follow, stage
from cli.home import Stack
from cli.progress import Progress
from cli.summary import summary
from include.storage import open_store
from tests.cli.cards import write_lineage

PORTS = {"airflow": 1, "mlflow": 2, "s3": 3, "monitoring": 4}


@pytest.fixture
def store(tmp_path):
    return open_store(f"file://{tmp_path}/store")


def test_a_delivery_is_put_once_and_its_annotation_file_last(store, tmp_path, monkeypatch):
    folder = tmp_path / "batch-1"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations.json").write_text("{}")
    (folder / "images" / "a.png").write_bytes(b"picture")
    written = []
    write = store.write
    monkeypatch.setattr(store, "write", lambda key, data: (written.append(key), write(key, data)))
    assert deliver(store, folder)
    assert not deliver(store, folder)
    assert written == ["inbox/trees/batch-1/images/a.png", "inbox/trees/batch-1/annotations.json"]


def test_the_next_stage_follows_from_what_is_in_the_store(store):
    assert stage(store, "batch-1") == "labels__trees"
    addresses = write_lineage(store, 1)
    assert stage(store, "batch-1") is None
    assert stage(store, "batch-2") == "labels__trees"
    for gone, then in [
        ("runs/model__trees/r1/promote_model/card.json", "model__trees"),
        ("datasets/trees/v1.json", "dataset__trees"),
        (addresses["checked"], "labels__trees"),
    ]:
        store.delete(gone)
        assert stage(store, "batch-1") == then


def test_aliases_and_marks_beside_the_versions_are_no_versions(store):
    write_lineage(store, 1)
    for beside in ("aliases/golden/1.json", "broken/v1/1.json"):
        store.write(f"datasets/trees/{beside}", b"{}")
    assert stage(store, "batch-1") is None
    assert "trees:v1" in summary(store, Stack(ports=PORTS, password="x"), seconds=90)


class Airflow:
    """The loop's last run of trees is about to end, and a nightly one to start; then nobody asks any more."""

    def __init__(self, promoted):
        self.promoted, self.looks = promoted, 0

    def recent_runs(self, dag_id):
        if dag_id != "model__trees":
            return []
        self.looks += 1
        if self.looks == 2:
            self.promoted()
        nightly = {"dag_run_id": "night", "run_type": "scheduled", "state": "running" if self.looks > 1 else "queued"}
        landed = {"dag_run_id": "r1", "run_type": "asset_triggered", "state": "success" if self.looks > 1 else "running"}
        assert self.looks < 4, "it waits for the nightly run"
        return [nightly, landed]

    def tasks(self, dag_id, run_id):
        state = "success" if (run_id, self.looks > 1) == ("r1", True) else "running"
        return [TaskState(dag_id, run_id, "promote_model", state, 1, None, 2.0)]

    def log_lines(self, task):
        return ["12:00:00 INFO epoch 1/40", "::endgroup::"]


def test_a_nightly_run_is_not_waited_for(store, capsys):
    """At two at night a demo waited for a second training, and showed the end of a log that was long over."""
    write_lineage(store, 1)
    card = store.read("runs/model__trees/r1/promote_model/card.json")
    store.delete("runs/model__trees/r1/promote_model/card.json")
    airflow = Airflow(lambda: store.write("runs/model__trees/r1/promote_model/card.json", card))
    progress = Progress(Console(width=200), airflow, store, started=0)
    progress.spoke_at = 0  # long ago
    follow(airflow, store, progress, "batch-1")
    said = capsys.readouterr().out
    assert "✔ model__trees    promote_model" in said
    assert "epoch 1/40" in said
    assert "endgroup" not in said


def test_the_summary_names_versions_labels_scores_and_the_champion(store):
    write_lineage(store, 1)
    write_lineage(store, 2)
    text = summary(store, Stack(ports=PORTS, password="open sesame"), seconds=90)
    for told in (
        "The loop ran in 1.5 minutes", "8 boxes accepted, 1 rejected (known_class 1)", "trees:v1", "trees:v2", "AP50 0.500",
        "trees: promoted: AP50 0.500, no champion yet\n    first\n",
        "Champion: trees version 2", "http://127.0.0.1:1   login admin, password open sesame", "http://127.0.0.1:2",
    ):  # fmt: skip
        assert told in text, told
