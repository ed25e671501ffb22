"""`visionloop labels rejections`, as typed."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.home import ROOT
from include.artifacts import CheckedLabels, Delivery, LabelBatch, StoppedLabels
from include.artifacts.tables import FINDINGS, to_parquet
from include.errors import BadInputError
from include.step.run import publish
from include.storage import ContentStore, open_store
from tests.cli.cards import X, made

BLANK = dict.fromkeys(FINDINGS.names)


def label(delivery, number, rule="known_class", action="reject annotation", annotator=None, **more):
    key = {"subject": "annotation", "key": f"{delivery}#{number}", "image_key": f"trees/{delivery}/{number}.png"}
    said = {
        "annotation_id": str(number),
        "rule": rule,
        "action": action,
        "owner": "lead",
        "got": "class Shrub",
        "expected": "Tree",
    }
    return BLANK | key | said | {"severity": "error", "annotator": annotator} | more


def checked(store, number, findings, deliveries=("d1",), supersedes=None, day=1, source="trees"):
    """Batch `number`, taken in and checked on a day of January 2026."""
    when = {"started_at": datetime(2026, 1, day, tzinfo=UTC), "ended_at": datetime(2026, 1, day, 12, tzinfo=UTC)}
    common = {"inputs": {}, "config": {}, "source": source, "batch_id": f"{number:016x}", "supersedes": supersedes or {}}
    named = tuple(Delivery(item=name, name=name, revision="1", state="done") for name in deliveries)
    batch = LabelBatch(made_by=made("ingest_labels").model_copy(update=when), **common, deliveries=named, images_table=X,
                       annotations_table=X, images=1, annotations=1)  # fmt: skip
    publish(store, batch, f"runs/labels__trees/r{number}/ingest_labels")
    table = ContentStore(store).put(to_parquet(pa.Table.from_pylist(findings, FINDINGS)))
    card = CheckedLabels(
        made_by=made("validate_annotations").model_copy(update=when), **common, images_table=X, annotations_table=X,
        findings_table=table, images_accepted=1, images_rejected=0, annotations_accepted=1, annotations_rejected=len(findings),
        rejected_by_rule={}, data_docs="d",
    )  # fmt: skip
    publish(store, card, f"runs/labels__trees/r{number}/validate_annotations")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Two sources. Of `trees` three batches: the second has delivery a/b of the first corrected; the third repairs and warns."""
    store = open_store(f"file://{tmp_path}/store")
    monkeypatch.setenv("VISIONLOOP_STORE", store.url)
    monkeypatch.setenv("VISIONLOOP_DEFINITIONS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    (tmp_path / "sources").mkdir()
    for name in ("trees", "crowns"):
        (tmp_path / "sources" / f"{name}.yaml").write_text("kind: coco\nowner: ada\nprefix: inbox/trees\n")
    first = [label("a", 1, annotator="ann"), label("a", 2, annotator="bob"), label("a/b", 3, annotator="bob")]
    checked(store, 1, first, deliveries=("a", "a/b"))
    image = BLANK | {"subject": "image", "key": "trees/a/b/9.png", "image_key": "trees/a/b/9.png", "rule": "image_readable",
                     "action": "reject image", "got": "damaged"}  # fmt: skip
    checked(store, 2, [image, label("a/b", 9, "image_readable")], ("a/b",), {f"{1:016x}": ("a/b",)}, day=2)
    checked(
        store,
        3,
        [label("c", 1, "box_inside_image", "repair", before="{}", after="{}"), label("c", 2, "odd", "warn")],
        ("c",),
        day=3,
    )
    checked(store, 4, [label("d", 1, job="j1")], ("d",), day=4, source="crowns")
    return store


def stopped(store, number, findings, deliveries, day, **more):
    checked(store, number, findings, deliveries, day=day, **more)
    card = CheckedLabels.load(store, f"labels/trees/checked/{number:016x}.json")
    names = set(StoppedLabels.model_fields) - {"stopped_by"}
    store.delete(card.standing_address)
    store.write(f"labels/trees/stopped/{number:016x}.json", StoppedLabels(
        **{name: getattr(card, name) for name in names}, stopped_by=("gate on known_class: 50%",)).to_bytes())  # fmt: skip


def run(*words):
    return CliRunner().invoke(app, ["labels", "rejections", *words], catch_exceptions=True)


def rows(*words):
    done = run("--json", *words)
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    assert said["count"] == len(said["rejections"])
    return said, [row["key"] for row in said["rejections"]]


def test_what_a_corrected_delivery_had_is_history(store):
    assert rows("trees")[1] == ["trees/a/b/9.png", "a/b#9", "a#1", "a#2"]
    assert rows("trees", "--all")[1] == ["trees/a/b/9.png", "a/b#9", "a#1", "a#2", "a/b#3"]


def test_what_stopped_a_batch_stands_until_the_batch_is_checked(store):
    whole = BLANK | {"subject": "batch", "key": "all", "rule": "gate on known_class", "action": "stop"}
    stopped(store, 5, [label("e", 1), whole], ("e",), day=5)
    said, keys = rows("trees", "--batch", f"{5:016x}")
    assert keys == ["e#1", "all"]
    assert {row["batch_state"] for row in said["rejections"]} == {"stopped"}
    checked(store, 5, [label("e", 1)], ("e",), day=6)
    said, keys = rows("trees", "--batch", f"{5:016x}")
    assert keys == ["e#1"]
    assert {row["batch_state"] for row in said["rejections"]} == {"checked"}


def test_what_stopped_a_batch_is_history_when_all_of_it_was_delivered_again(store):
    whole = BLANK | {"subject": "batch", "key": "all", "rule": "gate on known_class", "action": "stop"}
    stopped(store, 5, [whole], ("e", "f"), day=5)
    checked(store, 6, [], ("e",), {f"{5:016x}": ("e",)}, day=6)
    assert rows("--action", "stop")[1] == ["all"]
    checked(store, 7, [], ("f",), {f"{5:016x}": ("f",)}, day=7)
    assert rows("--action", "stop")[1] == []
    assert rows("--action", "stop", "--all")[1] == ["all"]


def test_rows_are_counted_by_rule_annotator_and_job(store):
    said, _ = rows("--all")
    assert said["by_rule"] == {"known_class": 4, "image_readable": 2}
    assert said["by_annotator"] == {"not said": 3, "bob": 2, "ann": 1}
    assert said["by_job"] == {"not said": 5, "j1": 1}


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["--annotator", "bob"], ["a#2"]),
        (["--annotator", "bob", "--all"], ["a#2", "a/b#3"]),
        (["--rule", "image_readable"], ["trees/a/b/9.png", "a/b#9"]),
        (["--rule", "image_readable", "--rule", "known_class", "trees"], ["trees/a/b/9.png", "a/b#9", "a#1", "a#2"]),
        (["--action", "repair"], ["c#1"]),
        (["--action", "repair", "--action", "warn"], ["c#1", "c#2"]),
        (["--since", "2026-01-03"], ["d#1"]),
        (["--since", "2026-01-02T12:00", "trees"], ["trees/a/b/9.png", "a/b#9"]),
        (["--batch", "0000000000000001"], ["a#1", "a#2"]),
        (["crowns"], ["d#1"]),
        (["--rule", "no_such_rule"], []),
    ],
    ids=["person", "person, history too", "rule", "two rules", "repairs", "repairs and warnings", "a day", "a minute", "batch",
         "source", "nothing"],
)  # fmt: skip
def test_filters(store, words, keys):
    assert rows(*words)[1] == keys


def test_parquet_has_every_row_with_its_batch(store, tmp_path):
    path = tmp_path / "out.parquet"
    assert run("--action", "all", "--all", "--parquet", str(path)).output == f"8 rows in {path}\n"
    table = pq.read_table(path)
    assert table["batch_id"].to_pylist()[0] == f"{4:016x}"
    assert set(FINDINGS.names) <= set(table.column_names)
    assert table["checked_at"].to_pylist()[0] == datetime(2026, 1, 4, 12, tzinfo=UTC)
    assert list(tmp_path.glob("*.part")) == []


def test_a_terminal_shows_counts_then_rows(store):
    lines = [line.split() for line in run("trees").output.splitlines() if line.strip()]
    assert lines[0] == ["rule", "images", "labels", "batches"]
    assert ["known_class", "0", "2", "0"] in lines
    assert ["image_readable", "1", "1", "0"] in lines
    assert lines[-1] == ["4", "rows", "of", "3", "checked", "batches"]
    assert "class Shrub" in run("trees").output


def test_nothing_rejected_says_so(store):
    assert run("--rule", "no_such_rule").output == "none in 4 checked batches\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["oaks"], "source oaks: include/sources/ has no oaks.yaml; the sources are crowns, trees"),
        (
            ["--batch", "ffff"],
            "batch ffff: no checked batch has an id that starts so; the last ones are 0000000000000004 (crowns)",
        ),
        (["--parquet", "/no/such/folder/x.parquet"], "--parquet /no/such/folder/x.parquet: cannot be written"),
    ],
    ids=["source", "batch", "file"],
)
def test_what_is_not_there_is_named(store, words, said):
    error = run(*words).exception
    assert isinstance(error, BadInputError)
    assert str(error).startswith(said)


def test_many_findings_need_little_memory(store, tmp_path):
    """As Python objects they would be half a gigabyte."""
    checked(store, 5, [label("e", number) for number in range(1000)], ("e",), day=5)
    some = pa.Table.from_pylist([label("f", number) for number in range(1000)], FINDINGS)
    md5 = ContentStore(store).put(to_parquet(pa.concat_tables([some] * 300).combine_chunks()))
    card = CheckedLabels.load(store, f"labels/trees/checked/{5:016x}.json").model_copy(
        update={"findings_table": md5, "batch_id": "f"}
    )
    publish(store, card, "runs/labels__trees/r6/validate_annotations")
    script = "import resource, sys; from cli.__main__ import app\ntry: app()\nexcept SystemExit: pass\n"
    script += "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))"
    words = ["labels", "rejections", "--parquet", str(tmp_path / "all.parquet")]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.stdout.startswith("301,005 rows")
    assert int(done.stderr) < 400_000  # kB
