"""Every awkward file of tests/cases/annotations/, a batch for each kind, through ingest_labels and validate_annotations."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import LabelBatch
from include.artifacts.tables import from_parquet
from include.step.run import StepRun, publish
from include.storage import ContentStore, Store, open_store
from tasks.ingest_labels.__main__ import ingest
from tasks.ingest_labels.config import IngestLabels
from tasks.validate_annotations.__main__ import validate
from tasks.validate_annotations.config import ValidateAnnotations
from tests.tasks.validate_annotations.awkward import KINDS, files_of, folder_of, names_of

STRICT = {"box_min_side": {"min_side_px": 2}}
Outcome = Callable[[str], dict[str, list[str]]]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, step_run: Callable[..., StepRun[Any]]) -> Outcome:
    """What became of each delivery of a kind, line by line."""

    @cache
    def judged(kind: str) -> dict[str, list[str]]:
        folder = tmp_path_factory.mktemp(kind)
        for seed, name in enumerate(names_of(kind)):
            put(folder / "inbox" / "trees" / ("" if kind == "archives" else name), files_of(kind, name, seed))
        store = open_store(f"file://{folder}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow and zipfile find odd in such files
            config = IngestLabels(source="trees", kind="coco" if kind == "archives" else kind, prefix="inbox/trees")
            first = step_run("ingest_labels", config, store, {})
            batch = publish(store, ingest(first), first.output)
            rules = ValidateAnnotations(source="trees", owner="lead", classes={"Tree": "Tree", "Dead": "Tree"}, rules=STRICT)
            second = step_run("validate_annotations", rules, store, {"batch": batch.standing_address})
            checked = validate(second)
        return lines(store, batch, [checked.images_table, checked.annotations_table, checked.findings_table])

    return judged


def put(folder: Path, files: dict[str, bytes]) -> None:
    """The mark that completes a delivery last."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    if not any(name.endswith(".zip") for name in files):
        (folder / "COMPLETE").write_bytes(b"")


def lines(store: Store, batch: LabelBatch, tables: list[str]) -> dict[str, list[str]]:
    """Of each delivery: why it was refused, or what of it could not be read, and each of its images and annotations."""
    images, annotations, findings = (from_parquet(ContentStore(store).get(md5)).to_pylist() for md5 in tables)
    what = {row["image_key"]: "accepted" for row in images}
    what |= {row["annotation_key"]: f"accepted {row['class_name']}" for row in annotations}
    set_aside = {row["key"]: f"{row['rule']}: {row['got']}" for row in findings if row["action"].startswith("reject")}
    assert what.keys().isdisjoint(set_aside)
    what |= set_aside
    for row in findings:
        if row["action"] in ("warn", "repair") and row["subject"] == "annotation":
            what[row["key"]] += f"; {row['action']} {row['rule']}: {row['got']}"
    said: dict[str, list[str]] = {}
    for delivery in batch.deliveries:
        mine = said.setdefault(delivery.name.removesuffix(".zip"), [])
        mine += [f"refused: {delivery.refused}"] if delivery.refused else []
        mine += [f"problem: {problem}" for problem in delivery.problems]
    for row in from_parquet(ContentStore(store).get(batch.images_table)).to_pylist():
        name = row["image_key"].removeprefix(f"trees/{row['delivery']}/").replace("\0", r"\x00")
        said[row["delivery"].removesuffix(".zip")].append(f"image {name}: {shortened(what.pop(row['image_key']))}")
    for row in from_parquet(ContentStore(store).get(batch.annotations_table)).to_pylist():
        delivery, _, position = row["annotation_key"].rpartition("#")
        said[delivery.removesuffix(".zip")].append(f"annotation {position}: {shortened(what.pop(row['annotation_key']))}")
    assert not what  # each line of the batch was judged, and nothing else
    return said


def shortened(got: str) -> str:
    """Without the store's address."""
    before, missing, _ = got.partition(": no object ")
    return before + missing.rstrip()


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in names_of(kind)])
def test_awkward_file_is_judged_line_by_line(kind: str, name: str, outcome: Outcome) -> None:
    assert outcome(kind)[name] == (folder_of(kind) / f"{name}.expected.txt").read_text().splitlines()


def test_there_are_sixty_and_each_has_its_file() -> None:
    assert sum(len(names_of(kind)) for kind in KINDS) >= 60
    for kind in KINDS:
        assert all(files_of(kind, name, 0) for name in names_of(kind)), kind
