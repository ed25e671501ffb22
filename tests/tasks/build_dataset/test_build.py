from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from include.artifacts.tables import VERSION_ANNOTATIONS, VERSION_IMAGES, from_parquet
from include.errors import ConfigError, NothingToDo
from include.storage import ContentStore, open_store
from include.storage.content import md5_of
from include.versions.alike import duplicates
from include.versions.alike.fingerprints import FLAT
from include.versions.listing import read_listing
from tasks.build_dataset.build import build_next
from tests.deliveries import picture
from tests.dying_store import DyingStore, Killed, state


def coco(datasets: Any, version: Any, split: str) -> dict[str, Any]:
    content = ContentStore(datasets.store)
    loaded: dict[str, Any] = json.loads(content.get(read_listing(content, version.digest)[f"annotations/{split}.json"]))
    return loaded


def test_first_version_holds_every_image_and_box(datasets: Any) -> None:
    card = datasets.check([1, 2, 3], boxes=2)
    version = datasets.build("r1")
    assert (version.label, version.parents, version.checked_labels) == ("trees:v1", (), (card.standing_address,))
    content = ContentStore(datasets.store)
    files = read_listing(content, version.digest)
    assert sorted(files) == [
        *(f"annotations/{split}.json" for split in ("test", "train", "val")), *(f"images/trees/d1/{n}.png" for n in (1, 2, 3))
    ]  # fmt: skip
    assert files["images/trees/d1/2.png"] == md5_of(picture(2))
    assert version.size_bytes == version.new_bytes == sum(len(content.get(md5)) for md5 in files.values())
    assert sum(split.images for split in version.splits.values()) == 3
    assert sum(split.annotations for split in version.splits.values()) == 6
    assert from_parquet(content.get(version.images_table)).schema.equals(VERSION_IMAGES)
    assert from_parquet(content.get(version.annotations_table)).schema.equals(VERSION_ANNOTATIONS)


def test_ids_start_at_one_and_coco_files_agree_with_the_tables(datasets: Any) -> None:
    datasets.check(list(range(12)), boxes=2)
    version = datasets.build("r1")
    images, annotations = datasets.images(version), datasets.annotations(version)
    assert [row["image_id"] for row in images] == list(range(1, 13))
    assert [row["relpath"] for row in images] == sorted(row["relpath"] for row in images)
    assert [row["annotation_id"] for row in annotations] == list(range(1, 25))
    for split in ("train", "val", "test"):
        loaded = coco(datasets, version, split)
        assert {one["file_name"] for one in loaded["images"]} == {row["relpath"] for row in images if row["split"] == split}
        ids = {one["id"] for one in loaded["images"]}
        assert {one["id"] for one in loaded["annotations"]} == {r["annotation_id"] for r in annotations if r["image_id"] in ids}
        assert loaded["categories"] == [{"id": 1, "name": "Tree"}]
    first = coco(datasets, version, images[0]["split"])["annotations"][0]
    assert (first["bbox"][1:], first["area"], first["iscrowd"], first["category_id"]) == ([2.5, 10.0, 8.0], 80.0, 0, 1)


def test_next_version_adds_and_costs_what_changed(datasets: Any) -> None:
    datasets.check([1, 2])
    first = datasets.build("r1")
    datasets.check([3])
    second = datasets.build("r2")
    assert (second.version, second.parents) == ("v2", ("datasets/trees/v1.json",))
    assert len(second.checked_labels) == 2
    sizes = [
        len(picture(3)),
        *(len(json.dumps(coco(datasets, second, s), separators=(",", ":"))) for s in ("train", "val", "test")),
    ]
    assert second.new_bytes <= sum(sizes)
    assert second.new_bytes < second.size_bytes
    assert [row["md5"] for row in datasets.images(second)][:2] == [row["md5"] for row in datasets.images(first)]


def test_each_image_is_read_once_for_all_versions(datasets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    get = ContentStore.get
    monkeypatch.setattr(ContentStore, "get", lambda self, md5: read.append(md5) or get(self, md5))  # type: ignore[func-returns-value]
    for run, seeds in (("r1", range(6)), ("r2", range(3, 9))):
        datasets.check(list(seeds), boxes=1 + len(read))
        datasets.build(run)
    assert sorted(set(read) & {md5_of(picture(seed)) for seed in range(9)}) == sorted(md5_of(picture(seed)) for seed in range(9))
    assert [read.count(md5_of(picture(seed))) for seed in range(9)] == [1] * 9


def test_nothing_new_is_nothing_to_do(datasets: Any) -> None:
    with pytest.raises(NothingToDo, match="there are none"):
        datasets.build("r1")
    datasets.check([1])
    datasets.build("r2")
    with pytest.raises(NothingToDo, match="trees:v1 has them all"):
        datasets.build("r3")


def test_labels_that_change_nothing_make_no_version(datasets: Any) -> None:
    datasets.check([1])
    datasets.build("r1")
    datasets.check([])
    with pytest.raises(NothingToDo, match=r"nothing changed: 1 new batches .* leave trees:v1 as it is"):
        datasets.build("r2")


def test_correction_takes_back_what_the_delivery_no_longer_has(datasets: Any) -> None:
    first = datasets.check([1, 2], delivery="job-1")
    other = datasets.check([3], delivery="job-2")
    datasets.build("r1")
    datasets.check([2, 4], boxes=3, delivery="job-1", corrects=[first])
    version = datasets.build("r2")
    kept = {row["md5"]: row["checked_labels"] for row in datasets.images(version)}
    assert kept.keys() == {md5_of(picture(seed)) for seed in (2, 3, 4)}
    assert kept[md5_of(picture(3))] == other.standing_address
    assert len(datasets.annotations(version)) == 3 + 1 + 3


def test_deletion_takes_back_all_but_what_came_again_elsewhere(datasets: Any) -> None:
    first = datasets.check([1, 2], delivery="job-1")
    datasets.check([2], delivery="job-2")  # the same picture in a later job, which stands
    datasets.build("r1")
    datasets.check([], delivery="job-1", corrects=[first])
    version = datasets.build("r2")
    assert [row["md5"] for row in datasets.images(version)] == [md5_of(picture(2))]
    assert len(datasets.annotations(version)) == 1


def test_job_corrected_before_it_was_ever_built_is_taken_as_corrected(datasets: Any) -> None:
    first = datasets.check([1, 2], delivery="job-1")
    datasets.check([2], boxes=2, delivery="job-1", corrects=[first])
    version = datasets.build("r1")
    assert [row["md5"] for row in datasets.images(version)] == [md5_of(picture(2))]
    assert len(datasets.annotations(version)) == 2


def test_later_labels_of_an_image_replace_the_earlier_in_its_old_place(datasets: Any) -> None:
    datasets.check([1, 2], groups={1: "site-a"}, boxes=1)
    first = datasets.build("r1")
    datasets.check([1], groups={1: "site-b"}, boxes=3)
    second = datasets.build("r2")
    before, after = ({row["md5"]: row for row in datasets.images(one)} for one in (first, second))
    one = md5_of(picture(1))
    assert {key: after[one][key] for key in ("relpath", "group", "split")} == {
        key: before[one][key] for key in ("relpath", "group", "split")
    }
    assert after[one]["checked_labels"].endswith("checked/000000000002.json")
    assert [row["origin"] for row in datasets.annotations(second) if row["image_id"] == after[one]["image_id"]] == [
        "d2#0",
        "d2#1",
        "d2#2",
    ]
    assert len(datasets.annotations(second)) == 4


def test_an_image_that_left_comes_back_to_where_it_was(datasets: Any) -> None:
    one = md5_of(picture(1))
    # md5("e") starts with e1671797 = 0.88: test; md5("a") with 0cc175b9 = 0.05: train
    datasets.check([1, 2], groups={1: "e"})
    datasets.build("r1")
    datasets.check([3])
    without = datasets.build("r2", leave_out=[one])
    assert without.left_table is not None
    assert one not in {row["md5"] for row in datasets.images(without)}
    datasets.check([4])
    assert datasets.build("r3", leave_out=[one]).left_table == without.left_table
    datasets.check([1], groups={1: "a"})
    back = datasets.build("r4", split={"train": 1, "val": 0, "test": 0})
    (row,) = (row for row in datasets.images(back) if row["md5"] == one)
    assert (row["group"], row["split"], back.left_table) == ("e", "test", None)


def test_one_build_or_several_give_the_same_digest(datasets: Any, tmp_path: Path) -> None:
    for seeds in ([1, 2], [2, 3], [4]):
        datasets.check(seeds, groups={2: "g"}, boxes=2)
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "store", copy)
    at_once = datasets.build("r1")
    other = type(datasets)(open_store(f"file://{copy}"), datasets.made_by, datasets.step_run)
    cards = sorted((copy / "labels/trees/checked").iterdir())
    waiting = [card.rename(copy / card.name) for card in cards[1:]]
    version = other.build("r1")
    for number, card in enumerate(waiting, 2):
        card.rename(copy / "labels/trees/checked" / card.name)
        version = other.build(f"r{number}")
    assert version.version == "v3"
    assert version.digest == at_once.digest


def test_other_bytes_under_a_known_name_are_another_image(datasets: Any) -> None:
    datasets.check([1], name="same.png")
    datasets.build("r1")
    datasets.batches = 0  # delivered again under the same name, as another batch
    card = datasets.check([2], name="same.png")
    again = card.model_copy(update={"batch_id": "f" * 12})
    datasets.store.create(again.standing_address, again.to_bytes())
    version = datasets.build("r2")
    assert [row["relpath"] for row in datasets.images(version)] == [
        f"images/trees/d1/same.{md5_of(picture(2))[:8]}.png", "images/trees/d1/same.png",
    ]  # fmt: skip


def test_class_that_the_dataset_lacks_is_named_with_its_source(datasets: Any) -> None:
    datasets.check([1, 2], class_name="Bush")
    with pytest.raises(ConfigError, match=r"got Bush \(2 boxes of trees, labels/trees/checked/.*expected Tree\. Add the class"):
        datasets.build("r1")


def test_class_can_be_added_but_not_dropped(datasets: Any) -> None:
    datasets.check([1])
    datasets.build("r1")
    datasets.check([2], class_name="Bush")
    version = datasets.build("r2", classes=["Bush", "Tree"])
    assert [row["category_id"] for row in datasets.annotations(version)] == [2, 1]
    datasets.check([3], class_name="Bush")
    with pytest.raises(ConfigError, match=r"Tree \(1 boxes of earlier versions\)"):
        datasets.build("r3", classes=["Bush"])


def test_several_sources_are_read(datasets: Any) -> None:
    datasets.check([1])
    datasets.check([2], source="crowns")
    version = datasets.build("r1", labels="labels/trees/checked,labels/crowns/checked")
    assert {row["source"] for row in datasets.images(version)} == {"trees", "crowns"}


def test_killed_at_any_write_and_run_again_ends_as_if_never_killed(datasets: Any, tmp_path: Path) -> None:
    datasets.check([1, 2, 3])
    datasets.build("r1")
    datasets.check([3, 4, 5])
    fresh = tmp_path / "fresh"
    shutil.copytree(tmp_path / "store", fresh)
    datasets.build("r2")
    for writes in range(100):
        folder = tmp_path / str(writes)
        shutil.copytree(fresh, folder)
        survived = True
        try:
            datasets.build("r2", store=DyingStore(f"file://{folder}", writes))
        except Killed:
            survived = False
        version = datasets.build("r2", store=open_store(f"file://{folder}"))
        assert version.version == "v2"
        assert state(folder) == state(tmp_path / "store")
        if survived:
            break
    assert writes >= 5


def test_builder_that_loses_the_race_looks_again(datasets: Any) -> None:
    datasets.check([1])
    slow = datasets.step("slow")
    create = slow.store.create

    def overtaken(key: str, data: bytes) -> bool:
        if key == "datasets/trees/v1.json":
            slow.store.create = create
            datasets.build("fast")
            datasets.check([2])
        return bool(create(key, data))

    slow.store.create = overtaken
    assert build_next(slow) is None
    version = build_next(slow)
    assert version is not None
    assert (version.version, version.parents) == ("v2", ("datasets/trees/v1.json",))
    assert len(datasets.images(version)) == 2
    with pytest.raises(NothingToDo):
        build_next(datasets.step("third"))


def test_what_validation_saw_is_kept_and_no_picture_is_decoded_again(datasets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "looks", lambda data: pytest.fail("decoded again"))
    datasets.check(list(range(12)), phash=FLAT, brightness=0.25)
    rows = datasets.images(datasets.build("r1"))
    assert {row["split"] for row in rows} == {"train", "val", "test"}
    assert {(row["phash"], row["brightness"]) for row in rows} == {(FLAT, 0.25)}


def test_picture_that_validation_had_not_looked_at_is_looked_at_once(datasets: Any) -> None:
    datasets.check(list(range(12)))
    assert {row["phash"] for row in datasets.images(datasets.build("r1"))} == {FLAT}
    datasets.check([0, 12], phash=FLAT, brightness=0.5)
    seen = {row["md5"]: row["brightness"] for row in datasets.images(datasets.build("r2"))}
    assert (seen[md5_of(picture(12))], seen[md5_of(picture(1))]) == (0.5, pytest.approx((0.299 * 1 + 0.114 * 7) / 255, abs=1e-3))
