"""Two versions column by column, and what a dataset's definition does about it."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from include.artifacts import DatasetVersion
from include.checks.shifts import Shift
from include.storage import ContentStore, Store
from include.versions.compare.card_page import make_page
from include.versions.compare.shift_gate import ShiftRules, shifts_between
from include.versions.compare.version_shifts import Measured, measure, version_shifts
from include.versions.contents import Contents
from tests.versions import put_version

SITES = ("north", "north", "north", "south")


def put(store: Store, count: int, side_px: float, class_name: str = "Tree", sites: tuple[str, ...] = SITES) -> DatasetVersion:
    """`count` pictures of 64 × 48 px, the first half in train and the rest in test, with a square box each."""
    images = [
        {"relpath": f"images/{n:03}.png", "split": "train" if n < count // 2 else "test", "attributes": {"site": sites[n % 4]}}
        for n in range(count)
    ]
    boxes = [{"image": one["relpath"], "class_name": class_name, "box": (4, 4, side_px, side_px)} for one in images]
    return put_version(store, "trees", ("Tree", "Bush"), images, boxes)


def by_column(found: tuple[Shift, ...]) -> dict[str, Shift]:
    return {one.column: one for one in found}


def test_every_column_is_what_it_says() -> None:
    images = pd.DataFrame({
        "width_px": [100, 200], "height_px": [50, 100], "split": ["train", "test"], "source": ["a", "b"],
        "attributes": ['{"site": "north"}', None], "brightness": [0.25, None],
    })  # fmt: skip
    boxes = pd.DataFrame({"class_name": ["Tree"], "x_px": [10.0], "y_px": [20.0], "width_px": [20.0], "height_px": [5.0]})
    found = measure(images, boxes, np.array([0]), ["site"])
    numbers = {name: found.column(name, "train").tolist() for name in ("size_px", "aspect_ratio", "centre_x", "centre_y")}
    assert numbers == {"size_px": [10.0], "aspect_ratio": [4.0], "centre_x": [0.2], "centre_y": [0.45]}
    assert found.column("relative_size", "all").tolist() == pytest.approx([(100 / 5000) ** 0.5])
    assert found.column("boxes_per_image", "all").tolist() == [1, 0]
    assert found.column("brightness", "train").tolist() == [0.25]
    assert found.column("site", "all").dropna().tolist() == ["north"]
    assert found.column("class_name", "test").tolist() == []


def test_a_version_against_itself_is_stable_in_all_that_was_measured(store: Store) -> None:
    version = put(store, 40, 10)
    found, _ = shifts_between(ContentStore(store), version, version)
    assert list(found) == ["all", "train", "test"]  # nothing is in val
    assert {(one.column, one.verdict) for some in found.values() for one in some if one.verdict != "stable"} == {
        ("brightness", "not measured")
    }


def test_boxes_of_another_size_and_class_from_another_site_are_told(store: Store) -> None:
    before, after = put(store, 40, 10), put(store, 40, 20, "Bush", ("south",) * 4)
    found, _ = shifts_between(ContentStore(store), before, after)
    moved = {name for name, one in by_column(found["all"]).items() if one.verdict == "different"}
    assert moved == {"class_name", "size_px", "relative_size", "centre_x", "centre_y", "site"}
    assert by_column(found["all"])["size_px"].medians == (10, 20)
    assert by_column(found["all"])["boxes_per_image"].verdict == "stable"


def test_few_pictures_are_too_few_to_say(store: Store) -> None:
    found, _ = shifts_between(ContentStore(store), put(store, 2, 10), put(store, 2, 20))
    assert by_column(found["all"])["size_px"].verdict == "too few"


def test_the_same_numbers_from_what_is_to_be_a_version_and_from_the_version(store: Store) -> None:
    before, after = put(store, 12, 10), put(store, 16, 14, "Bush")
    content = ContentStore(store)
    planned = [Measured.of_contents(Contents.read(content, one)) for one in (before, after)]
    assert version_shifts(*planned) == shifts_between(content, before, after)[0]


def test_a_version_without_a_box_is_not_measured(store: Store) -> None:
    before = put(store, 12, 10)
    bare = put_version(store, "trees", ("Tree", "Bush"), [{"relpath": "images/000.png"}], [])
    found, _ = shifts_between(ContentStore(store), before, bare)
    assert by_column(found["all"])["class_name"].verdict == "not measured"
    assert by_column(found["all"])["boxes_per_image"].after == 1


def test_the_card_shows_the_shift_with_both_histograms(store: Store) -> None:
    put(store, 40, 10)
    shown = store.read(make_page(ContentStore(store), put(store, 40, 20, sites=(*SITES[:3], "<b>")))).decode()
    assert "Shift since trees:v1" in shown
    assert "size_px is different (PSI" in shown
    assert "median 10 → 20" in shown
    assert "aria-label='north: 75% → 75%; south: 25% → 0%; &lt;b&gt;: 0% → 25%'" in shown
    assert "not measured" in shown  # brightness
    assert "<b>" not in shown


def test_a_first_version_has_no_shift(store: Store) -> None:
    assert "Shift since" not in store.read(make_page(ContentStore(store), put(store, 4, 10))).decode()


def test_rules_name_their_columns() -> None:
    rules = ShiftRules.model_validate({"attributes": ["camera"], "stop": {"camera": "shifted", "class_name": "different"}})
    assert rules.stop["camera"] == "shifted"
    with pytest.raises(ValidationError, match=r"stop: no column colour, site; expected one of class_name, .*camera"):
        ShiftRules.model_validate({"attributes": ["camera"], "stop": {"site": "shifted", "colour": "different"}})


def test_a_million_boxes_on_either_side_take_seconds() -> None:
    random, count = np.random.default_rng(0), 1_000_000
    images = pd.DataFrame({
        "width_px": 1000, "height_px": 800, "split": random.choice(["train", "val", "test"], 200_000), "source": "a",
        "attributes": None, "brightness": random.random(200_000),
    })  # fmt: skip
    boxes = pd.DataFrame({name: random.uniform(1, 100, count) for name in ("x_px", "y_px", "width_px", "height_px")})
    boxes["class_name"] = random.choice(["a", "b", "c"], count)
    side = measure(images, boxes, random.integers(0, 200_000, count), [])
    began = time.process_time()
    version_shifts(side, side)
    assert time.process_time() - began < 30  # 8 s on a shared core: three splits and the whole
