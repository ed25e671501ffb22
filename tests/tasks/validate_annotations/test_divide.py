from __future__ import annotations

import gc
import tempfile
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.check_annotations import CLASSES, OFF, make
from include.artifacts.tables import ANNOTATIONS, IMAGES
from include.checks.asking import CheckCrashed, Suites
from include.definitions.suites import RuleInUse
from include.errors import ConfigError
from tasks.validate_annotations import spill
from tasks.validate_annotations.batch import Parent
from tasks.validate_annotations.config import ValidateAnnotations
from tasks.validate_annotations.pictures import Picture
from tasks.validate_annotations.stream import parts_of_table
from tasks.validate_annotations.validate import Divided, divide

STRICT = {"box_min_side": {"min_side_px": 2}}
CONFIG = ValidateAnnotations(source="trees", owner="lead", classes={"Tree": "Tree", "Dead": "Tree"}, rules=STRICT)


def told(**rules: dict[str, Any]) -> ValidateAnnotations:
    """The default suite, and what differs."""
    return ValidateAnnotations(source="trees", owner="lead", classes=CONFIG.classes, rules={**STRICT, **rules})


MD5S = ["a" * 32, "b" * 32, "c" * 32]
PICTURES = {MD5S[0]: Picture(64, 48, None), MD5S[1]: Picture(64, 48, None), MD5S[2]: Picture(0, 0, "damaged")}
NAN = float("nan")


@pytest.fixture
def suites(tmp_path: Path) -> Suites:
    (tmp_path / "gx").mkdir()
    return Suites(tmp_path / "gx", "b1", datetime(2026, 1, 1, tzinfo=UTC))


def image(key: str, md5: str | None = MD5S[0], width: float = 64, height: float = 48, delivery: str = "d1") -> dict[str, Any]:
    missing = None if md5 else "no object"
    sizes = {"width_px": width, "height_px": height}
    return {"image_key": key, "md5": md5, "missing": missing, "size_bytes": 9, **sizes, "delivery": delivery}


def annotation(
    position: int, image_key: str | None = "i1", box: tuple[float, ...] = (4, 4, 20, 16), **more: Any
) -> dict[str, Any]:
    sides = dict(zip(("x_px", "y_px", "width_px", "height_px"), box, strict=True))
    row = {"annotation_key": f"d1#{position}", "annotation_id": str(position), "image_key": image_key, "class_name": "Tree"}
    return {**row, **sides, "is_crowd": False, "raw": "{}", **more}


def run(
    suites: Suites,
    images: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    config: ValidateAnnotations = CONFIG,
    **more: Any,
) -> Divided:
    tables = pa.Table.from_pylist(images, IMAGES), pa.Table.from_pylist(annotations, ANNOTATIONS)
    return divided_tables(suites, *tables, config, **more)


def divided_tables(
    suites: Suites, images: pa.Table, annotations: pa.Table, config: ValidateAnnotations = CONFIG, rows: int = 1000, **more: Any
) -> Divided:
    folder = Path(tempfile.mkdtemp(dir=suites.folder))
    parts = parts_of_table(images, IMAGES, rows), parts_of_table(annotations, ANNOTATIONS, rows)
    return divide(*parts, PICTURES, config, suites.broken, folder, **more)


def rejected(divided: Divided) -> list[dict[str, Any]]:
    return [row for row in divided.table("findings").to_pylist() if row["action"].startswith("reject")]


def rule_of(divided: Divided) -> dict[str, str]:
    return {row["key"]: row["rule"] for row in rejected(divided)}


number = st.sampled_from([NAN, -3.0, 0.0, 1.0, 4.0, 20.0, 40.0, 64.0, 1e9])
image_rows = st.lists(
    st.tuples(st.sampled_from([None, *MD5S]), st.sampled_from([64.0, 10.0, NAN]), st.sampled_from(["d1", "d2"])), max_size=5
)
annotation_rows = st.lists(
    st.tuples(
        st.sampled_from([None, "i0", "i1", "i2", "i3"]),
        st.tuples(number, number, number, number),
        st.sampled_from([None, "Tree", "Dead", "Bush"]),
        st.sampled_from([None, "1", "2"]),
        st.booleans(),
    ),
    max_size=12,
)


# each example asks Great Expectations four times, 0.3 s each
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(images=image_rows, annotations=annotation_rows)
def test_every_row_is_accepted_or_rejected_once(
    tmp_path_factory: pytest.TempPathFactory, images: list[Any], annotations: list[Any]
) -> None:
    suites = Suites(tmp_path_factory.mktemp("gx"), "b1", datetime(2026, 1, 1, tzinfo=UTC))
    image_list = [image(f"i{n}", md5, width=width, delivery=delivery) for n, (md5, width, delivery) in enumerate(images)]
    known = {row["image_key"] for row in image_list}
    annotation_list = [
        annotation(n, key if key in known else None, box, class_name=name, annotation_id=one, is_crowd=crowd)
        for n, (key, box, name, one, crowd) in enumerate(annotations)
    ]
    divided = run(suites, image_list, annotation_list)
    for subject, all_rows, accepted in (
        ("image", image_list, divided.table("images")["image_key"].to_pylist()),
        ("annotation", annotation_list, divided.table("annotations")["annotation_key"].to_pylist()),
    ):
        aside = [row["key"] for row in rejected(divided) if row["subject"] == subject]
        assert sorted(accepted + aside) == sorted(row[f"{subject}_key"] for row in all_rows)
    assert set(divided.table("annotations")["image_key"].to_pylist()) <= set(divided.table("images")["image_key"].to_pylist())
    assert divided.table("images").schema.equals(IMAGES)
    assert divided.table("annotations").schema.equals(ANNOTATIONS)


def test_rejected_image_takes_its_annotations_with_it_under_its_rule(suites: Suites) -> None:
    divided = run(suites, [image("i1", MD5S[2]), image("i2", MD5S[1])], [annotation(0, "i1"), annotation(1, "i2")])
    assert rule_of(divided) == {"i1": "image_readable", "d1#0": "image_readable"}
    assert {row["got"] for row in rejected(divided)} == {"damaged"}
    assert {row["owner"] for row in rejected(divided)} == {"lead"}
    assert [row["action"] for row in rejected(divided)] == ["reject image", "reject annotation"]


def test_same_picture_in_two_deliveries_keeps_the_later_labels(suites: Suites) -> None:
    images = [image("i1", delivery="d1"), image("i2", delivery="d2"), image("i3", delivery="d2")]
    divided = run(suites, images, [annotation(0, "i1"), annotation(1, "i2"), annotation(2, "i3")])
    assert divided.table("images")["image_key"].to_pylist() == ["i2"]
    assert divided.table("annotations")["annotation_key"].to_pylist() == ["d1#1"]


def test_repeat_of_a_rejected_box_is_accepted(suites: Suites) -> None:
    divided = run(suites, [image("i1")], [annotation(0, class_name="Bush"), annotation(1), annotation(2)])
    assert rule_of(divided) == {"d1#0": "known_class", "d1#2": "no_duplicate_box"}


def test_crowd_is_kept_beside_the_box_it_covers(suites: Suites) -> None:
    divided = run(suites, [image("i1")], [annotation(0), annotation(1, is_crowd=True)])
    assert divided.table("annotations")["is_crowd"].to_pylist() == [False, True]


def test_unstated_size_is_taken_from_the_picture(suites: Suites) -> None:
    divided = run(suites, [image("i1", width=NAN)], [])
    assert divided.table("images").select(["width_px", "height_px"]).to_pylist() == [{"width_px": 64.0, "height_px": 48.0}]


def test_classes_become_those_of_datasets(suites: Suites) -> None:
    divided = run(suites, [image("i1")], [annotation(0, class_name="Dead")])
    assert divided.table("annotations")["class_name"].to_pylist() == ["Tree"]


def test_empty_batch_is_divided_into_nothing(suites: Suites) -> None:
    divided = run(suites, [], [])
    assert [divided.table(name).num_rows for name in ("images", "annotations", "findings")] == [0, 0, 0]


def test_check_that_crashes_is_an_error_and_never_bad_data(suites: Suites) -> None:
    stock = {"expect": "expect_column_values_to_not_be_null", "parameters": {"column": "no_such_column"}}
    rule = RuleInUse(name="broken_rule", suite="s@1", action="reject", **stock)
    with pytest.raises(CheckCrashed, match=r"rule broken_rule: .*no_such_column"):
        suites.broken("a question", pd.DataFrame({"row": [0]}), [rule])


def test_own_check_that_crashes_is_an_error_too(suites: Suites) -> None:
    rows = pd.DataFrame({"row": [0], "width_px": ["wide"], "height_px": [1.0]})
    rule = next(rule for rule in CONFIG.in_use.rules if rule.name == "box_positive_area")
    with pytest.raises(CheckCrashed, match="rule box_positive_area"):
        suites.broken("a question", rows, [rule])


@pytest.mark.parametrize(
    ("shape", "is_accepted"),
    [("box", True), ("rotated_box", True), ("polygon", True), ("ellipse", True), ("mask", True), (None, True),
     ("points", False), ("polyline", False), ("tag", False), ("cuboid", False)],
)  # fmt: skip
def test_shape_that_no_box_can_stand_for_is_set_aside_in_words(suites: Suites, shape: str | None, is_accepted: bool) -> None:
    divided = run(suites, [image("i1")], [annotation(0, shape=shape)])
    said = [(row["rule"], row["got"]) for row in rejected(divided)]
    assert said == ([] if is_accepted else [("shape_has_a_box", f"shape {shape}")])


def test_tag_without_a_box_is_set_aside_for_its_shape_and_not_for_its_numbers(suites: Suites) -> None:
    divided = run(suites, [image("i1")], [annotation(0, box=(NAN, NAN, NAN, NAN), shape="tag")])
    assert rule_of(divided) == {"d1#0": "shape_has_a_box"}


def test_shapes_that_teach_are_the_teams_choice(suites: Suites) -> None:
    divided = run(suites, [image("i1")], [annotation(0, shape="polygon")], told(shape_has_a_box={"shapes": ["box"]}))
    assert [(row["rule"], row["expected"]) for row in rejected(divided)] == [("shape_has_a_box", "one of: box")]


def test_label_that_does_not_stand_says_why_and_does_not_displace_the_one_that_does(suites: Suites) -> None:
    rows = [annotation(0, conflict="majority: same object as d1#1, which stands"), annotation(1)]
    divided = run(suites, [image("i1")], rows)
    assert divided.table("annotations")["annotation_key"].to_pylist() == ["d1#1"]
    (row,) = rejected(divided)
    assert (row["rule"], row["got"]) == ("annotators_agree", "majority: same object as d1#1, which stands")
    assert (row["owner"], row["expected"]) == ("lead", "the label that stands, of those that several people gave")


def test_batch_from_before_shapes_and_conflicts_is_divided_as_boxes(suites: Suites) -> None:
    images, annotations = pa.Table.from_pylist([image("i1")], IMAGES), pa.Table.from_pylist([annotation(0)], ANNOTATIONS)
    divided = divided_tables(suites, images, annotations.drop_columns(["shape", "conflict"]))
    assert divided.table("annotations")["annotation_key"].to_pylist() == ["d1#0"]


@pytest.mark.parametrize(
    ("more", "got"),
    [
        ({"image_key": None, "image_id": "77"}, 'image_id 77; as it came: {"type": "rectanglelabels"}'),
        ({"image_key": None}, 'image_id missing; as it came: {"type": "rectanglelabels"}'),
        ({"box": (4, 4, NAN, 9)}, 'x 4, y 4, no width, height 9; as it came: {"type": "rectanglelabels"}'),
        ({"class_name": None}, 'no class; as it came: {"type": "rectanglelabels"}'),
    ],
    ids=["unknown image", "no image", "box without a width", "no class"],
)
def test_what_a_service_sent_is_said_in_its_own_words(suites: Suites, more: dict[str, Any], got: str) -> None:
    divided = run(suites, [image("i1")], [annotation(0, raw='{"type": "rectanglelabels"}', **more)])
    assert [row["got"] for row in rejected(divided)] == [got]


def findings(divided: Divided) -> list[tuple[str, str, str]]:
    return [(row["key"], row["rule"], row["action"]) for row in divided.table("findings").to_pylist()]


def accepted_boxes(divided: Divided) -> dict[str, tuple[float, ...]]:
    rows = divided.table("annotations").to_pylist()
    return {row["annotation_key"]: tuple(row[side] for side in ("x_px", "y_px", "width_px", "height_px")) for row in rows}


def test_repaired_boxes_teach_as_repaired_with_what_they_were(suites: Suites) -> None:
    config = told(
        box_positive_area={"action": "repair"}, box_inside_image={"action": "repair"}, no_duplicate_box={"action": "repair"}
    )
    rows = [
        annotation(0, box=(14, 5, -10, 8)), annotation(1, box=(-2, 4, 20, 16)), annotation(2, box=(60, 4, 20, 16)),
        annotation(3, box=(4, 5, 10, 8)), annotation(4, box=(10, 10, 0, -5)), annotation(5, box=(70, 30, -10, 8)),
    ]  # fmt: skip
    divided = run(suites, [image("i1")], rows, config)
    # the last one's corners are put in order, then 6 of its 10 columns are cut off: more than half
    assert accepted_boxes(divided) == {"d1#0": (4, 5, 10, 8), "d1#1": (0, 4, 18, 16)}
    assert findings(divided) == [
        ("d1#0", "box_positive_area", "repair"),
        ("d1#1", "box_inside_image", "repair"),
        ("d1#2", "box_inside_image", "reject annotation"),
        ("d1#3", "no_duplicate_box", "repair"),
        ("d1#4", "box_positive_area", "reject annotation"),
        ("d1#5", "box_inside_image", "reject annotation"),
    ]
    told_of = {
        row["key"]: (row["got"], row["before"], row["after"], row["severity"]) for row in divided.table("findings").to_pylist()
    }
    assert told_of["d1#0"] == ("-10×8 px", '{"width_px": -10.0, "x_px": 14.0}', '{"width_px": 10.0, "x_px": 4.0}', "warning")
    assert told_of["d1#1"][1:3] == ('{"width_px": 20.0, "x_px": -2.0}', '{"width_px": 18.0, "x_px": 0.0}')
    before = '{"height_px": 8.0, "width_px": 10.0, "x_px": 4.0, "y_px": 5.0}'
    assert told_of["d1#3"] == ("same place as d1#0", before, None, "warning")
    assert (divided.annotations, divided.rejected("annotation"), divided.by_rule("repair")) == (
        2, 3, {"box_inside_image": 1, "box_positive_area": 1, "no_duplicate_box": 1},
    )  # fmt: skip


def test_clip_that_leaves_less_than_the_least_share_is_no_repair(suites: Suites) -> None:
    config = told(box_inside_image={"action": "repair", "min_kept_share": 0.2})
    divided = run(suites, [image("i1")], [annotation(0, box=(60, 4, 20, 16)), annotation(1, box=(60, 24, 21, 16))], config)
    assert accepted_boxes(divided) == {"d1#0": (60, 4, 4, 16)}  # 4 of 20 columns; of the other 4 of 21


def test_warned_row_teaches_and_one_that_is_set_aside_has_no_other_finding(suites: Suites) -> None:
    rows = [
        annotation(0, box=(0, 0, 63, 2.5)),
        annotation(1, box=(0, 9, 63, 2.5), class_name="Bush"),
        annotation(2, is_crowd=True),
    ]
    divided = run(suites, [image("i1")], rows)
    assert findings(divided) == [
        ("d1#0", "box_max_aspect_ratio", "warn"), ("d1#1", "known_class", "reject annotation"), 
        ("d1#2", "crowd_is_a_mask", "warn"),
    ]  # fmt: skip
    assert list(accepted_boxes(divided)) == ["d1#0", "d1#2"]


def test_image_is_set_aside_for_one_of_its_annotations_wherever_that_is_read(suites: Suites) -> None:
    config = told(box_min_side={"action": "reject_image", "min_side_px": 2}, no_duplicate_box={"action": "reject_image"})
    rows = [
        annotation(0, "i1"), annotation(1, "i2"), annotation(2, "i1", box=(0, 0, 1, 9)), annotation(3, "i2", box=(4, 4, 20, 16)),
        annotation(4, "i3"), annotation(5, "i1", annotation_id="4"),
    ]  # fmt: skip
    images = [image("i1"), image("i2", MD5S[1]), image("i3", "d" * 32)]
    pictures = {**PICTURES, "d" * 32: Picture(64, 48, None)}
    for at_once in (1, 100):
        tables = (
            parts_of_table(pa.Table.from_pylist(images, IMAGES), IMAGES, at_once),
            parts_of_table(pa.Table.from_pylist(rows, ANNOTATIONS), ANNOTATIONS, at_once),
        )
        folder = Path(tempfile.mkdtemp(dir=suites.folder))
        divided = divide(*tables, pictures, config, suites.broken, folder)
        assert findings(divided) == [
            ("i1", "box_min_side", "reject image"), ("i2", "no_duplicate_box", "reject image"),
            ("d1#0", "box_min_side", "reject annotation"), ("d1#1", "no_duplicate_box", "reject annotation"),
            ("d1#2", "box_min_side", "reject annotation"), ("d1#3", "no_duplicate_box", "reject annotation"),
            ("d1#5", "box_min_side", "reject annotation"),
        ]  # fmt: skip
        assert divided.table("images")["image_key"].to_pylist() == ["i3"]
        said = {row["key"]: row["got"] for row in divided.table("findings").to_pylist()}
        assert (said["i1"], said["d1#0"], said["d1#2"]) == ("1 of its annotations break it",) * 2 + ("1×9 px",)


def test_picture_without_labels_teaches_and_is_warned_of(suites: Suites) -> None:
    divided = run(suites, [image("i1"), image("i2", MD5S[1])], [annotation(0, "i1"), annotation(1, "i2", class_name="Bush")])
    assert findings(divided) == [("i2", "image_has_labels", "warn"), ("d1#1", "known_class", "reject annotation")]
    assert divided.table("images").num_rows == 2


def test_any_expectation_that_great_expectations_has_is_a_rule(suites: Suites) -> None:
    north = {
        "expect": "expect_column_values_to_be_in_set",
        "column": "site",
        "value_set": ["north"],
        "on": "images",
        "action": "reject",
    }
    wide = {"expect": "expect_column_values_to_be_between", "column": "width_px", "max_value": 30, "action": "warn"}
    mean = {"expect": "expect_column_mean_to_be_between", "column": "width_px", "max_value": 20, "on": "batch", "action": "stop"}
    images = [image("i1") | {"attributes": '{"site": "north"}'}, image("i2", MD5S[1]) | {"attributes": '{"site": "south"}'}]
    rows = [annotation(0, "i1", box=(0, 0, 40, 9)), annotation(1, "i2")]
    divided = run(suites, images, rows, told(from_north=north, not_wide=wide, narrow=mean))
    assert findings(divided) == [
        ("i2", "from_north", "reject image"), ("d1#0", "not_wide", "warn"), ("d1#1", "from_north", "reject annotation"),
        ("all annotations that teach", "narrow", "stop"),
    ]  # fmt: skip
    assert divided.stopped_by == ("narrow: 1 found; expected expect_column_mean_to_be_between column width_px, max_value 20",)


def test_expectation_about_all_rows_cannot_judge_one(suites: Suites) -> None:
    mean = {"expect": "expect_column_mean_to_be_between", "column": "width_px", "max_value": 20}
    with pytest.raises(ConfigError, match="expect_column_mean_to_be_between is about all rows together: say `on: batch`"):
        run(suites, [image("i1")], [annotation(0)], told(narrow=mean))
    with pytest.raises(ConfigError, match="Great Expectations has no expect_the_best; is it spelt right"):
        run(suites, [image("i1")], [annotation(0)], told(best={"expect": "expect_the_best"}))


@pytest.mark.parametrize(("bad", "is_stopped"), [(2, False), (3, True)], ids=["at the limit", "above"])
def test_gate_stops_above_its_share(suites: Suites, bad: int, is_stopped: bool) -> None:
    rows = [annotation(n, box=(n, n, 4, 4), class_name="Bush" if n < bad else "Tree") for n in range(20)]
    gate = {"rules": ["known_class"], "max_share": 0.1, "min_rows": 20}
    config = ValidateAnnotations(source="trees", owner="lead", classes=CONFIG.classes, gates=[gate])
    divided = run(suites, [image("i1")], rows, config)
    assert divided.stopped_by == (("gate on known_class: 3 of 20 (15.0%); at most 10.0%",) if is_stopped else ())
    assert ("all", "gate on known_class", "stop") in findings(divided) or not is_stopped


def test_gate_does_not_judge_a_small_batch_and_may_only_warn(suites: Suites) -> None:
    gates = [{"max_share": 0, "min_rows": 3}, {"max_share": 0, "min_rows": 1, "on": "images", "action": "warn"}]
    config = ValidateAnnotations(source="trees", owner="lead", classes=CONFIG.classes, gates=gates)
    divided = run(suites, [image("i1", MD5S[2])], [annotation(0), annotation(1)], config)
    assert divided.stopped_by == ()
    assert findings(divided)[-1] == ("all", "gate on rejected images", "warn")


def test_batch_is_compared_with_its_parent(suites: Suites) -> None:
    classes = {"Tree": "Tree", "Dead": "Dead"}
    few = {"class_balance": {"min_boxes": 4}, "counts_against_parent": {"min_images": 1}}
    config = ValidateAnnotations(source="trees", owner="lead", classes=classes, rules=few)
    rows = [annotation(n, box=(10 * n, 4, 9, 9), class_name="Dead" if n else "Tree") for n in range(4)]
    divided = run(suites, [image("i1")], rows, config, parent=Parent("batch b0", 10, {"Tree": 8, "Dead": 2}))
    said = [(row["rule"], row["action"], row["got"]) for row in divided.table("findings").to_pylist()]
    # (0.25 - 0.8) ln(0.25 / 0.8) + (0.75 - 0.2) ln(0.75 / 0.2) = 0.640 + 0.727
    assert said == [
        ("class_balance", "warn", "PSI 1.37: Dead 20% → 75%, Tree 80% → 25%"),
        ("counts_against_parent", "warn", "4.00 boxes per image; 1.00 in batch b0"),
    ]


def test_batch_read_in_one_part_or_in_many_is_divided_alike(suites: Suites, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(tempfile.mkdtemp(dir=suites.folder))
    make(folder, 3000, at_once=3000)
    images, annotations = pq.read_table(folder / "images.parquet"), pq.read_table(folder / "annotations.parquet")
    config = ValidateAnnotations(
        source="bench",
        owner="lead",
        classes={name: name for name in CLASSES},
        rules={**OFF, "box_inside_image": {"action": "repair"}},
    )
    found = []
    for number, (at_once, laid_aside_at_once) in enumerate(((3000, 3000), (1100, 800))):
        monkeypatch.setattr(spill, "RECORDS_AT_ONCE", laid_aside_at_once)
        asked = Suites(folder / f"gx{number}", "b1", datetime(2026, 1, 1, tzinfo=UTC))
        (into := folder / f"divided{number}").mkdir()
        parts = parts_of_table(images, IMAGES, at_once // 10), parts_of_table(annotations, ANNOTATIONS, at_once)
        divided = divide(*parts, None, config, asked.broken, into)
        counts = [(one.rule, one.rows, one.broken) for one in asked.asked]
        found.append(
            [divided.counts, counts, *(divided.table(name).to_pylist() for name in ("images", "annotations", "findings"))]
        )
    assert len(found[0][0]) > 8
    assert repr(found[0]) == repr(found[1])  # NaN is unlike itself


@pytest.mark.parametrize("action", ["reject", "repair"])
def test_a_box_without_bounds_is_out_of_place_and_no_check_warns_of_its_numbers(suites: Suites, action: str) -> None:
    boxes = [annotation(1, box=(10, 10, 1e308, 1e308)), annotation(2, box=(1e308, 1e308, 1.5e308, 1.5e308)), annotation(3)]
    divided = run(suites, [image("i1")], boxes, told(box_inside_image={"action": action}))  # a warning would be an error here
    assert divided.table("annotations")["annotation_key"].to_pylist() == ["d1#3"]
    assert divided.by_rule("reject annotation") == {"box_inside_image": 2}


def test_rows_do_not_stay_in_memory_when_they_were_asked_about(suites: Suites) -> None:
    (rule,) = (one for one in CONFIG.in_use.rules if one.name == "box_finite")
    rows = pd.DataFrame({"row": [0], "x_px": [1.0], "y_px": [1.0], "width_px": [1.0], "height_px": [1.0]})
    left = weakref.ref(rows)
    gc.disable()  # Python itself looks for cycles only now and then
    try:
        assert suites.broken("1", rows, [rule])["box_finite"].tolist() == [False]
        del rows
        assert left() is None
    finally:
        gc.enable()
