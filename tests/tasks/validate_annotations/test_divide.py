from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.artifacts.tables import ANNOTATIONS, IMAGES
from include.checks.asking import CheckCrashed, Suites
from include.definitions.suites import RuleInUse
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
    return divide(images, parts_of_table(annotations, ANNOTATIONS, rows), PICTURES, config, suites.broken, folder, **more)


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
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
