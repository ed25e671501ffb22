from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import Bundle, DatasetVersion, Promotion, StorageAudit
from include.artifacts.base import MadeBy
from include.errors import BadInputError
from include.step.run import StepRun, publish
from include.storage import Store, open_store
from include.storage.content import content_key, md5_of
from include.versions import aliases
from include.versions.derive import DeriveDataset, derive
from include.versions.keep.broken import mark_of
from tasks.audit_storage.__main__ import audit, end_red_if_damaged
from tasks.audit_storage.config import AuditStorage
from tests.step_process import StepProcess
from tests.versions import png, put_version

MakeStep = Callable[..., StepRun[Any]]
A, B = "images/a.png", "images/b.png"


def put(store: Store, *relpaths: str, name: str = "trees") -> DatasetVersion:
    boxes = [{"image": relpaths[0], "class_name": "Tree", "box": (1, 2, 10, 10)}]
    return put_version(store, name, ("Tree",), [{"relpath": relpath} for relpath in relpaths], boxes)


def key_of(relpath: str) -> str:
    return content_key(md5_of(png(relpath)))


def promote(store: Store, made_by: MadeBy, version: DatasetVersion) -> None:
    """A model `crowns`, version 4, trained on it."""
    made = {"made_by": made_by, "inputs": {}, "config": {}, "model": "crowns"}
    bundle = Bundle(
        **made, tag="crowns:1", archive="a" * 32, archive_bytes=1, files={}, checkpoint="c", dataset=version.label,
        dataset_digest=version.digest, classes=version.classes, mlflow_run_id="1",
    )  # fmt: skip
    store.write("runs/model__crowns/r1/pack_model/card.json", bundle.to_bytes())
    promotion = Promotion(
        **made, number=1, decision="promoted", reasons=(), challenger="c", champion_before=None, champion_after="4",
        bundle="runs/model__crowns/r1/pack_model/card.json", ap50=0.5, champion_ap50=None,
    )  # fmt: skip
    store.write(promotion.standing_address, promotion.to_bytes())


def run(step_run: MakeStep, store: Store, run: str = "r1", **config: Any) -> tuple[StepRun[Any], StorageAudit]:
    step = step_run("audit_storage", AuditStorage(**config), store, {}, run=run)
    return step, publish(store, audit(step), step.output)


def test_damage_marks_the_versions_and_the_error_line_names_all_that_it_touches(
    store: Store, step_run: MakeStep, made_by: MadeBy
) -> None:
    put(store, A)
    version = put(store, A, B)
    put(store, A, name="other")
    aliases.move(store, "trees", "production", "v2", "ann")
    promote(store, made_by, version)
    step, card = run(step_run, store)
    assert (card.broken, card.objects) == ((), 2 + 3 + 2)  # pictures, COCO files of train, those without images (of each dataset)
    end_red_if_damaged(step, card)
    store.delete(key_of(B))
    step, card = run(step_run, store, run="r2")
    says = (
        r"1 of 3 dataset versions are damaged: trees:v2; models trained on them: crowns version 4; aliases: trees:production; "
        r"1 damages, first files/md5/.* \(images/b\.png\): missing\. Put back what .*/r2/audit_storage/report\.html lists"
    )
    with pytest.raises(BadInputError, match=says):
        end_red_if_damaged(step, card)
    (broken,) = card.broken
    assert (broken.version, broken.models, broken.aliases) == ("trees:v2", ("crowns version 4",), ("production",))
    assert broken.mark == "datasets/trees/broken/v2/1.json"
    page = store.read(card.page).decode()
    assert all(word in page for word in ("trees:v2", "images/b.png", "missing", key_of(B), "crowns version 4", "production"))


def test_a_version_found_whole_again_loses_its_mark_and_the_same_damage_is_marked_once(store: Store, step_run: MakeStep) -> None:
    put(store, A, B)
    store.delete(key_of(B))
    for name in ("r1", "r2"):
        run(step_run, store, run=name)
    mark = mark_of(store, "trees", "v1")
    assert mark is not None
    assert (mark.number, mark.found_by) == (1, "runs/model__trees/r1/audit_storage")
    store.write(key_of(B), png(B))
    _, card = run(step_run, store, run="r3")
    assert (card.broken, card.mended) == ((), ("trees:v1",))
    assert mark_of(store, "trees", "v1") is None


def test_nothing_is_derived_from_a_broken_version(store: Store, step_run: MakeStep) -> None:
    put(store, A, B)
    store.delete(key_of(B))
    run(step_run, store)
    where = [{"column": "relpath", "value": A}]
    config = DeriveDataset.model_validate({"name": "trees", "do": {"operation": "filter", "where": where}})
    with pytest.raises(BadInputError, match=r"trees:v1 is marked as broken by .*/broken/v1/1\.json"):
        derive(step_run("derive_dataset", config, store, {"parents": "dataset://trees:v1"}))


def test_only_the_asked_dataset_is_looked_at(store: Store, step_run: MakeStep) -> None:
    put(store, A)
    put(store, B, name="other")
    store.delete(key_of(B))
    assert run(step_run, store, dataset="trees")[1].broken == ()


@pytest.mark.integration
def test_the_process_ends_red_with_its_card_and_says_the_same_when_repeated(tmp_path: Path) -> None:
    steps = StepProcess(tmp_path / "store")
    store = open_store(steps.url)
    put(store, A)
    config = {"dataset": "", "deep": "False"}  # as the form's text comes
    assert steps.run("audit_storage", config).exit_code == 0
    store.write(key_of(A), b"other bytes")
    first, again = (steps.run("audit_storage", config, run_id="r2") for _ in range(2))
    assert (first.exit_code, again.exit_code) == (3, 3)
    assert "1 of 1 dataset versions are damaged: trees:v1;" in first.error
    assert first.error == again.error
    assert json.loads(store.read("runs/a_dag/r2/audit_storage/card.json"))["broken"][0]["version"] == "trees:v1"


@pytest.mark.integration
@pytest.mark.parametrize("writes", range(4))
def test_an_audit_killed_before_any_write_and_run_again_ends_as_one_never_killed(tmp_path: Path, writes: int) -> None:
    steps = StepProcess(tmp_path / "store")
    store = open_store(steps.url)
    put(store, A, B)
    put(store, A, name="other")
    store.delete(key_of(A))
    assert steps.run("audit_storage", {}, die_before_write=writes).exit_code == -9
    assert steps.run("audit_storage", {}).exit_code == 3
    written = sorted(entry.key for entry in store.list("") if entry.key.startswith("runs/") or "/broken/" in entry.key)
    assert written == [
        "datasets/other/broken/v1/1.json", "datasets/trees/broken/v1/1.json",
        "runs/a_dag/r1/audit_storage/card.json", "runs/a_dag/r1/audit_storage/report.html",
    ]  # fmt: skip
