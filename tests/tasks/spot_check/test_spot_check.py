"""A batch's sample: who is in it, that anybody draws the same, and what is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from include.artifacts import CheckedLabels, SpotCheck
from include.artifacts.base import MadeBy
from include.artifacts.tables import ANNOTATIONS, IMAGES, to_parquet
from include.errors import ConfigError, NothingToDo
from include.spot_checks.results import read_rows
from include.step.run import publish
from include.storage import ContentStore, Store
from tasks.spot_check.__main__ import spot_check
from tasks.spot_check.config import SpotCheckConfig
from tasks.spot_check.sample import allocate, draw
from tests.deliveries import picture
from tests.dying_store import DyingStore, Killed, state


@pytest.mark.parametrize(
    ("sizes", "total", "least", "expected"),
    [
        pytest.param({"a": 600, "b": 300, "c": 100}, 100, 5, {"a": 60, "b": 30, "c": 10}, id="in proportion"),
        # c has 5 at least; the other 95 are shared 660 : 330
        pytest.param({"a": 660, "b": 330, "c": 10}, 100, 5, {"a": 63, "b": 32, "c": 5}, id="a small one has its least"),
        pytest.param({"a": 500, "b": 2}, 100, 5, {"a": 98, "b": 2}, id="no more than there are"),
        pytest.param({"a": 3, "b": 4}, 100, 5, {"a": 3, "b": 4}, id="all of a small batch"),
        pytest.param({"a": 1, "b": 1, "c": 1}, 2, 5, {"a": 1, "b": 1, "c": 0}, id="fewer than strata: by name"),
        pytest.param({}, 10, 5, {}, id="nothing"),
    ],
)
def test_a_sample_is_shared_out(sizes: dict[str, int], total: int, least: int, expected: dict[str, int]) -> None:
    assert allocate(sizes, total, least) == expected


def tables(boxes: int = 90, pictures: int = 10, bare: int = 3) -> tuple[pa.Table, pa.Table]:
    """Nine tenths Tree by ann at site north, one tenth Bush by nobody known at site south; `bare` pictures without a label."""
    images = [
        {"image_key": f"s/d1/{n}.png", "md5": f"{n:032x}", "delivery": "d1", "width_px": 64.0, "height_px": 48.0,
         "attributes": '{"site": "south"}' if n == 0 else '{"site": "north"}'}
        for n in range(pictures + bare)
    ]  # fmt: skip
    annotations = [
        {"annotation_key": f"d1#{n}", "image_key": f"s/d1/{n % pictures}.png", "class_name": "Bush" if n % 10 == 0 else "Tree",
         "annotator": None if n % 10 == 0 else "ann", "x_px": 3.0, "y_px": 4.0, "width_px": 10.0, "height_px": 8.0}
        for n in range(boxes)
    ]  # fmt: skip
    return pa.Table.from_pylist(images, IMAGES), pa.Table.from_pylist(annotations, ANNOTATIONS)


def test_every_stratum_is_in_the_sample_in_proportion_and_pictures_without_labels_too() -> None:
    config = SpotCheckConfig(source="s", sample=30, images=8, min_per_stratum=2)
    rows, strata = draw(*tables(), config, "b1")
    assert [(one.subject, one.name, one.population, one.sampled) for one in strata] == [
        ("annotation", "Bush, unknown", 9, 3), ("annotation", "Tree, ann", 81, 27),
        ("image", "with labels", 10, 6), ("image", "without labels", 3, 2),
    ]  # fmt: skip
    assert Counter((row.subject, row.stratum) for row in rows) == {(s.subject, s.name): s.sampled for s in strata}
    assert [row.item for row in rows] == list(range(1, 39))
    assert len({(row.subject, row.key) for row in rows}) == 38
    assert rows[0].box == (3, 4, 10, 8)
    assert rows[-1].box is None


def test_the_same_batch_gives_the_same_sample_in_any_order_of_its_rows() -> None:
    config, (images, annotations) = SpotCheckConfig(source="s", sample=20, images=4), tables()
    first, _ = draw(images, annotations, config, "b1")
    reverse = list(reversed(range(90)))
    assert draw(images, annotations.take(reverse), config, "b1")[0] == first
    assert draw(images, annotations, config, "b2")[0] != first


def test_each_label_is_as_likely_to_be_drawn_as_another() -> None:
    """Over 120 batches, each of 90 labels should come up 120 × 30 / 90 = 40 times, give or take 5 σ of 5.2."""
    config, (images, annotations) = SpotCheckConfig(source="s", sample=30, images=0, by=()), tables()
    seen = Counter(row.key for n in range(120) for row in draw(images, annotations, config, f"b{n}")[0])
    assert len(seen) == 90
    assert all(14 < count < 66 for count in seen.values()), seen


def test_strata_can_be_attributes_of_the_picture_and_small_ones_are_joined() -> None:
    images, annotations = tables()
    _, strata = draw(images, annotations, SpotCheckConfig(source="s", sample=30, images=0, by=("site",)), "b1")
    assert [(one.name, one.population) for one in strata] == [("north", 81), ("south", 9)]
    _, strata = draw(images, annotations, SpotCheckConfig(source="s", sample=15, images=0, by=("image_key",)), "b1")
    assert [(one.name, one.population) for one in strata] == [("others", 72), ("s/d1/0.png", 9), ("s/d1/1.png", 9)]
    with pytest.raises(ConfigError, match="by: colour: no annotation or picture says it"):
        draw(images, annotations, SpotCheckConfig(source="s", by=("colour",)), "b1")


@pytest.fixture
def checked(store: Store, made_by: MadeBy) -> CheckedLabels:
    """Four real pictures, two labels on each but the last."""
    content = ContentStore(store)
    images, annotations = tables(boxes=6, pictures=3, bare=1)
    images = images.set_column(1, IMAGES.field("md5"), pa.array([content.put(picture(n)) for n in range(4)]))
    md5s = [content.put(to_parquet(table)) for table in (images, annotations)]
    given = dict.fromkeys(("rejected_table", "findings_table"), md5s[0])
    card = CheckedLabels(
        made_by=made_by, inputs={}, config={}, source="s", batch_id="b1", images_table=md5s[0], annotations_table=md5s[1],
        images_accepted=4, images_rejected=0, annotations_accepted=6, annotations_rejected=0, rejected_by_rule={}, data_docs="",
        **{name: md5 for name, md5 in given.items() if name in CheckedLabels.model_fields},
    )  # fmt: skip
    store.create(card.standing_address, card.to_bytes())
    return card


Run = Callable[..., SpotCheck]


@pytest.fixture
def run(store: Store, checked: CheckedLabels, step_run: Callable[..., Any]) -> Run:
    def work(name: str = "r1", on: Store = store, **config: Any) -> SpotCheck:
        parsed = SpotCheckConfig.model_validate({"source": "s", "sample": 4, "images": 2} | config)
        step = step_run("spot_check", parsed, on, {"checked": checked.standing_address}, name)
        return publish(on, spot_check(step), step.output)

    return work


def test_the_page_shows_every_row_with_a_choice_of_verdicts(store: Store, run: Run) -> None:
    card = run()
    page, rows = store.read(card.page).decode(), read_rows(store, card)
    assert page.count("<img ") == len(rows) == 6
    assert page.count("value='not an object'") == 4
    assert page.count("value='missed'") == 2
    assert "<script" not in page
    assert store.exists("labels/s/spot_checks/b1.json")


def test_killed_at_any_write_and_run_again_it_ends_as_if_never_killed(store: Store, run: Run) -> None:
    assert store.folder is not None
    whole = run()
    expected = state(store.folder)
    for writes in range(5):
        for key in [key for key in expected if "spot_check" in key]:
            store.delete(key)
        with pytest.raises(Killed):
            run(on=DyingStore(store.url, writes))
        assert run().strata == whole.strata
        assert state(store.folder) == expected


def test_of_a_batch_the_first_sample_stands_whatever_is_asked_for_later(store: Store, run: Run) -> None:
    first = run()
    rows = read_rows(store, first)
    again = run("r2", sample=2)
    assert again == first
    assert read_rows(store, again) == rows
    assert len(rows) == 6


def test_a_batch_without_a_picture_has_nothing_to_look_at(
    store: Store, checked: CheckedLabels, step_run: Callable[..., Any]
) -> None:
    empty = checked.model_copy(update={
        "batch_id": "b2", "images_table": ContentStore(store).put(to_parquet(IMAGES.empty_table()))
    })  # fmt: skip
    store.create(empty.standing_address, empty.to_bytes())
    step = step_run("spot_check", SpotCheckConfig(source="s"), store, {"checked": empty.standing_address})
    with pytest.raises(NothingToDo, match="no accepted picture"):
        spot_check(step)


def test_pictures_without_a_single_label_are_looked_at_whole(
    store: Store, checked: CheckedLabels, step_run: Callable[..., Any]
) -> None:
    bare = checked.model_copy(update={
        "batch_id": "b3", "annotations_table": ContentStore(store).put(to_parquet(ANNOTATIONS.empty_table()))
    })  # fmt: skip
    store.create(bare.standing_address, bare.to_bytes())
    card = spot_check(step_run("spot_check", SpotCheckConfig(source="s"), store, {"checked": bare.standing_address}))
    assert [(one.name, one.population) for one in card.strata] == [("without labels", 4)]


def test_another_sources_labels_are_refused(run: Run) -> None:
    with pytest.raises(ConfigError, match="labels of source s, expected t"):
        run(source="t")
