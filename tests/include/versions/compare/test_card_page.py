from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import CheckedLabels, DatasetVersion, LetThrough
from include.storage import ContentStore, Store
from include.versions.compare import card_page
from include.versions.compare.card_page import make_page, publish_page
from include.versions.derive import DeriveDataset, derive
from tests.versions import MADE_BY, put_version

EVIL = "<script>alert(1)</script>'\"&"
PEOPLE = {"annotator": "ann", "reviewer": "rex", "job": "job-7"}


@pytest.fixture
def trees(store: Store) -> DatasetVersion:
    images = [
        {"relpath": "images/a.png", "group": "g1", "attributes": {"site": "north"}},
        {"relpath": "images/b.png", "group": "g2", "split": "test", "attributes": {"site": "south"}, "source": "crowns"},
    ]
    boxes = [
        {"image": "images/a.png", "class_name": "Tree", "box": (1, 2, 10, 10), **PEOPLE},
        {"image": "images/a.png", "class_name": "Bush", "box": (20, 20, 40, 8), **PEOPLE},
        {"image": "images/b.png", "class_name": "Tree", "box": (5, 5, 6, 6), "annotator": EVIL},
    ]
    return put_version(store, "trees", ("Tree", "Bush"), images, boxes)


def page(store: Store, version: DatasetVersion) -> str:
    return store.read(make_page(ContentStore(store), version)).decode()


def bar(text: str, name: str) -> str:
    """The number at the end of a bar."""
    return text.partition(f">{name}<title>")[2].partition("</text>")[2].partition("</text>")[0].rpartition(">")[2]


def test_a_card_shows_classes_sizes_sites_people_and_pictures(store: Store, trees: DatasetVersion) -> None:
    shown = page(store, trees)
    assert {name: bar(shown, name) for name in ("Tree", "Bush", "north", "south", "crowns", "ann", "rex", "job-7", "g1")} == {
        "Tree": "2", "Bush": "1", "north": "1", "south": "1", "crowns": "1", "ann": "2", "rex": "2", "job-7": "2", "g1": "1",
    }  # fmt: skip
    assert bar(shown, "4:1 and more") == "1"  # 40 × 8
    assert bar(shown, "2:3 to 3:2") == "2"
    assert bar(shown, "8 to 16") == "1"  # 10 × 10; √(40 × 8) is 17.9
    assert shown.count("<img ") == 2
    assert "Since" not in shown


def test_nothing_that_labels_say_becomes_markup(store: Store, trees: DatasetVersion) -> None:
    put_version(store, "evil", (EVIL,), [{"relpath": f"images/{EVIL}.png", "group": EVIL, "attributes": {EVIL: EVIL}}],
                [{"image": f"images/{EVIL}.png", "class_name": EVIL, "box": (1, 1, 9, 9)}])  # fmt: skip
    after = put_version(store, "evil", (EVIL,), [{"relpath": f"images/{EVIL}.png", "group": EVIL}],
                        [{"image": f"images/{EVIL}.png", "class_name": EVIL, "box": (2, 1, 9, 9), "job": EVIL}])  # fmt: skip
    for text in (page(store, trees), page(store, after), store.read("datasets/evil/v2.changes.html").decode()):
        assert "<script" not in text
        assert "alert(1)" in text
        assert "'\"&" not in text


def test_a_card_says_what_changed_and_leads_to_the_pictures_of_it(store: Store, trees: DatasetVersion) -> None:
    images = [{"relpath": "images/a.png", "group": "g1"}, {"relpath": "images/c.png", "group": "g3"}]
    after = put_version(store, "trees", ("Tree", "Bush"), images,
                        [{"image": "images/a.png", "class_name": "Tree", "box": (2, 2, 10, 10), "job": "job-8"}])  # fmt: skip
    shown = page(store, after)
    assert "Since trees:v1" in shown
    assert "Images: 1 added, 1 removed. Boxes of images in both: 1 removed, 1 moved" in shown
    assert "href='v2.changes.html'" in shown
    assert store.read("datasets/trees/v2.changes.html").decode().count("<img ") == 1


def test_a_page_that_is_missing_is_made_and_one_that_is_there_is_left(store: Store, trees: DatasetVersion) -> None:
    first = page(store, trees)
    store.write("datasets/trees/v1.html", b"as it was")
    assert page(store, trees) == "as it was"
    store.delete("datasets/trees/v1.html")
    assert page(store, trees) == first


def test_a_version_stands_where_its_page_cannot_be_drawn(
    store: Store, trees: DatasetVersion, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from include.step.by_hand import step_by_hand

    do: dict[str, Any] = {"operation": "exclude", "where": ["relpath contains b"]}
    config = DeriveDataset.model_validate({"name": "trees", "do": do})
    step = step_by_hand("derive_dataset", config, store, {"parents": "dataset://trees:v1"})
    version = derive(step)
    monkeypatch.setattr(card_page, "samples", lambda *args: 1 / 0)
    with caplog.at_level(logging.WARNING):
        publish_page(step, version)
    assert "trees:v2 stands, but its page could not be drawn" in caplog.text
    assert not store.exists("datasets/trees/v2.html")
    monkeypatch.undo()
    publish_page(step, version)
    assert store.exists("datasets/trees/v2.html")


def test_an_image_that_cannot_be_drawn_is_left_out_of_the_pictures(store: Store, tmp_path: Path) -> None:
    version = put_version(store, "trees", ("Tree",), [{"relpath": "a.png"}, {"relpath": "b.png"}], [])
    made = version.model_copy()
    content = ContentStore(store)
    read = content.get

    class Half(ContentStore):
        def get(self, md5: str) -> bytes:
            data = read(md5)
            return data[: len(data) // 2] if data.startswith(b"\x89PNG") else data

    assert store.read(make_page(Half(store), made)).decode().count("<img ") == 0


def checked(store: Store, number: int, **more: Any) -> str:
    """The address of a card of checked labels."""
    docs = f"runs/labels__crowns/r{number}/validate_annotations/data_docs/index.html"
    card = CheckedLabels(
        made_by=MADE_BY.model_copy(update={"ended_at": datetime(2026, 1, number, tzinfo=UTC)}), inputs={}, config={},
        source="crowns", batch_id=f"{number:04x}", images_table="a" * 32, annotations_table="a" * 32, findings_table="a" * 32,
        images_accepted=1, images_rejected=0, annotations_accepted=90, annotations_rejected=10,
        rejected_by_rule={"known_class": 7, EVIL: 3},
        repaired_by_rule={"box_inside_image": 4}, warned_by_rule={"odd": 2}, suites=("detector@1",), data_docs=docs, **more,
    )  # fmt: skip
    store.write(card.standing_address, card.to_bytes())
    return card.standing_address


def test_a_card_leads_to_how_each_batch_was_checked(store: Store, trees: DatasetVersion) -> None:
    through = LetThrough(person="ada", reason=EVIL)
    made_of = (checked(store, 1), checked(store, 2, let_through=through), "labels/crowns/checked/gone.json")
    shown = page(store, trees.model_copy(update={"checked_labels": made_of}))
    assert "2 batches: 180 boxes taken, 20 set aside (known_class 14, " in shown
    assert "1 were stopped, and let through by a person." in shown
    docs = "../../runs/labels__crowns/r2/validate_annotations/data_docs/index.html"
    row = f"<td><a href='{docs}'>crowns 0002</a></td><td>2026-01-02 00:00; let through by ada: "
    assert row in shown
    assert "<td>90</td><td>10</td><td>4</td><td>2</td><td>detector@1</td>" in shown
    assert shown.index("crowns 0002") < shown.index("crowns 0001")
    assert "<script" not in shown


def test_a_card_of_what_was_adopted_says_nothing_of_checks(store: Store, trees: DatasetVersion) -> None:
    assert "How its labels were checked" not in page(store, trees)
