from __future__ import annotations

import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import LabelBatch
from include.artifacts.tables import from_parquet
from include.errors import BadInputError, NothingToDo
from include.step.run import StepRun, publish
from include.storage import ContentStore, Store, open_store
from tasks.ingest_labels.__main__ import ingest, settle
from tasks.ingest_labels.config import IngestLabels
from tests.deliveries import coco, deliver, deliver_pictures, image, picture
from tests.dying_store import DyingStore, Killed, state
from tests.step_process import StepProcess

CONFIG = {"source": "trees", "prefix": "inbox/trees"}
Make = Callable[..., StepRun[Any]]


def take_in(store: Store, step_run: Make, run: str = "r1") -> LabelBatch:
    step = step_run("ingest_labels", IngestLabels.model_validate(CONFIG), store, {}, run)
    return publish(store, ingest(step), step.output)


def take_in_and_settle(store: Store, step_run: Make) -> None:
    step = step_run("ingest_labels", IngestLabels.model_validate(CONFIG), store, {}, "r1")
    settle(step, publish(store, ingest(step), step.output))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_all_pending_deliveries_become_one_batch(store: Store, folder: Path, step_run: Make) -> None:
    deliver_pictures(folder, "d1", [1, 2])
    deliver_pictures(folder, "d2", [3])
    batch = take_in(store, step_run)
    assert [delivery.item for delivery in batch.deliveries] == [f"inbox/trees/{d}/annotations.json" for d in ("d1", "d2")]
    assert (batch.images, batch.annotations) == (3, 3)
    content = ContentStore(store)
    rows = from_parquet(content.get(batch.images_table)).to_pylist()
    assert [content.get(row["md5"]) for row in rows] == [picture(1), picture(2), picture(3)]
    assert content.get(batch.deliveries[0].original or "") == (folder / "inbox/trees/d1/annotations.json").read_bytes()


def test_what_a_batch_has_is_not_taken_in_again(store: Store, folder: Path, step_run: Make) -> None:
    deliver_pictures(folder, "d1", [1])
    take_in(store, step_run, "r1")
    with pytest.raises(NothingToDo, match="1 batches are in the ledger"):
        take_in(store, step_run, "r2")
    deliver_pictures(folder, "d2", [2])
    assert [delivery.item for delivery in take_in(store, step_run, "r3").deliveries] == ["inbox/trees/d2/annotations.json"]


def test_overwritten_file_is_taken_in_again(store: Store, folder: Path, step_run: Make) -> None:
    deliver_pictures(folder, "d1", [1])
    first = take_in(store, step_run, "r1")
    deliver_pictures(folder, "d1", [1, 2])
    second = take_in(store, step_run, "r2")
    assert second.batch_id != first.batch_id
    assert second.images == 2


def test_delivery_without_its_annotation_file_waits(store: Store, folder: Path, step_run: Make) -> None:
    deliver_pictures(folder, "d1", [1])
    (folder / "inbox/trees/d1/annotations.json").unlink()
    (folder / "inbox/trees/annotations.json").write_text("{}")  # not below a delivery
    with pytest.raises(NothingToDo):
        take_in(store, step_run)


def test_deliveries_may_lie_in_folders(store: Store, folder: Path, step_run: Make) -> None:
    deliver_pictures(folder, "2026/07/d1", [1])
    rows = from_parquet(ContentStore(store).get(take_in(store, step_run).images_table)).to_pylist()
    assert rows[0]["image_key"] == "trees/2026/07/d1/1.png"


def test_oldest_delivery_comes_first_whatever_its_name(store: Store, folder: Path, step_run: Make) -> None:
    for age, name in enumerate(("a", "b", "c")):
        file = deliver_pictures(folder, name, [age]) / "annotations.json"
        os.utime(file, (1_700_000_000 - age, 1_700_000_000 - age))
    batch = take_in(store, step_run)
    assert [delivery.item.split("/")[2] for delivery in batch.deliveries] == ["c", "b", "a"]


def test_refused_delivery_does_not_hold_up_the_others(store: Store, folder: Path, step_run: Make) -> None:
    deliver(folder, "bad", b"not json", {})
    deliver_pictures(folder, "good", [1])
    batch = take_in(store, step_run)
    assert [bool(delivery.refused) for delivery in batch.deliveries] == [True, False]
    assert ContentStore(store).get(batch.deliveries[0].original or "") == b"not json"
    settle(step_run("ingest_labels", IngestLabels.model_validate(CONFIG), store, {}), batch)  # raises nothing


def test_refused_folder_keeps_the_label_files_that_were_read(store: Store, folder: Path, step_run: Make) -> None:
    entity = b'<!DOCTYPE a [<!ENTITY b "c">]><annotation/>'
    for name, data in {"Annotations/1.xml": entity, "JPEGImages/1.png": picture(1), "COMPLETE": b""}.items():
        (folder / "inbox/trees/d1" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "inbox/trees/d1" / name).write_bytes(data)
    step = step_run("ingest_labels", IngestLabels.model_validate(CONFIG | {"kind": "voc"}), store, {}, "r1")
    (delivery,) = ingest(step).deliveries
    assert "document type" in (delivery.refused or "")
    with zipfile.ZipFile(io.BytesIO(ContentStore(store).get(delivery.original or ""))) as original:
        assert {name: original.read(name) for name in original.namelist()} == {"Annotations/1.xml": entity}


def test_batch_of_nothing_but_refused_deliveries_is_an_error_that_names_them(store: Store, folder: Path, step_run: Make) -> None:
    deliver(folder, "bad", b"not json", {})
    batch = take_in(store, step_run)
    step = step_run("ingest_labels", IngestLabels.model_validate(CONFIG), store, {})
    with pytest.raises(BadInputError, match=r"inbox/trees/bad/annotations\.json: not JSON: .*overwrite"):
        settle(step, batch)


def test_image_beside_the_delivery_is_never_read(store: Store, folder: Path, step_run: Make) -> None:
    deliver_pictures(folder, "secret", [7])
    names = ["../secret/7.png", "/inbox/trees/secret/7.png", "..\\secret\\7.png", "x/../../secret/7.png"]
    deliver(folder, "d1", coco([image(number, name) for number, name in enumerate(names)], []), {})
    rows = from_parquet(ContentStore(store).get(take_in(store, step_run).images_table)).to_pylist()
    assert [row["md5"] for row in rows if row["delivery"] == "d1"] == [None] * 4


def test_group_is_read_from_the_image(store: Store, folder: Path, step_run: Make) -> None:
    deliver_pictures(folder, "d1", [1, 2], groups={1: "site-a"})
    rows = from_parquet(ContentStore(store).get(take_in(store, step_run).images_table)).to_pylist()
    assert [row["group"] for row in rows] == ["site-a", None]


def test_two_runs_that_see_the_same_make_one_batch(store: Store, folder: Path, step_run: Make) -> None:
    deliver_pictures(folder, "d1", [1])
    steps = [step_run("ingest_labels", IngestLabels.model_validate(CONFIG), store, {}, run) for run in ("r1", "r2")]
    made = [ingest(step) for step in steps]  # both before either is published
    stands = [publish(store, batch, step.output) for batch, step in zip(made, steps, strict=True)]
    assert stands[0] == stands[1]
    assert len(list(store.list("labels/trees/batches"))) == 1


def test_killed_at_any_write_and_run_again_ends_as_if_never_killed(tmp_path: Path, step_run: Make) -> None:
    fresh = tmp_path / "fresh"
    deliver_pictures(fresh, "d1", [1, 2])
    deliver(fresh, "d2", b"not json", {})
    calm = tmp_path / "calm"
    shutil.copytree(fresh, calm)
    take_in_and_settle(open_store(f"file://{calm}"), step_run)
    for writes in range(100):
        folder = tmp_path / str(writes)
        shutil.copytree(fresh, folder)
        survived = True
        try:
            take_in_and_settle(DyingStore(f"file://{folder}", writes), step_run)
        except Killed:
            survived = False
        take_in_and_settle(open_store(f"file://{folder}"), step_run)
        assert _named_alike(folder) == _named_alike(calm)
        if survived:
            break
    assert writes >= 11  # what was seen, two originals, two pictures, two tables, the page, the card twice, the cursor


def _named_alike(folder: Path) -> list[str]:
    """A copied file has an ETag of its own, and so its batch an id of its own; what was seen is named by its time."""
    ours = re.compile(r"(?<=labels/trees/)(batches|seen)/.*")
    return sorted(ours.sub(r"\1/…", key) for key in state(folder))


def test_process_killed_by_the_system_is_done_once_when_run_again(folder: Path) -> None:
    deliver_pictures(folder, "d1", [1, 2])
    steps = StepProcess(folder)
    killed = steps.run("ingest_labels", CONFIG, die_before_write=8)  # the batch stands, the run's own card does not
    assert killed.exit_code == -9
    assert len(list((folder / "labels/trees/batches").iterdir())) == 1
    assert [file.name for file in (folder / "runs").rglob("*.*")] == ["report.html"]
    assert steps.run("ingest_labels", CONFIG).exit_code == 0
    again = steps.run("ingest_labels", CONFIG)
    assert again.exit_code == 0
    assert "already done" in again.stderr
    assert len(list((folder / "labels/trees/batches").iterdir())) == 1


def test_exit_codes_say_what_happened(folder: Path) -> None:
    steps = StepProcess(folder)
    assert steps.run("ingest_labels", CONFIG, run_id="r1").exit_code == 99
    deliver(folder, "bad", b"[", {})
    for _ in range(2):  # a repeat of a refused batch is as red as the first time
        ended = steps.run("ingest_labels", CONFIG, run_id="r2")
        assert ended.exit_code == 3
        assert "inbox/trees/bad/annotations.json: not JSON" in ended.error
    card = json.loads((folder / steps.output("ingest_labels", "r2") / "card.json").read_text())
    assert card["deliveries"][0]["refused"].startswith("not JSON")
    wrong = steps.run("ingest_labels", {**CONFIG, "prefx": "x"}, run_id="r3")
    assert wrong.exit_code == 2
    assert "section ingest_labels: prefx: unknown key" in wrong.error
