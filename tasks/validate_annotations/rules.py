"""The rules, in the order in which they are asked: what each expects, in Great Expectations' terms and in words.

Their names are what people see: in the rejected table, the logs and the Data Docs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

from include.labelling.files.values import parsed
from tasks.validate_annotations import expectations as own
from tasks.validate_annotations.boxes import SIDES
from tasks.validate_annotations.config import ValidateAnnotations

Row = Mapping[Hashable, Any]
COCO_KEYS = frozenset({"bbox", "category_id", "image_id"})  # what is not from a service has one of them


@dataclass(frozen=True)
class Rule:
    """`got` says in words what a row that broke the rule has."""

    name: str
    expected: str
    expectation: Expectation
    got: Callable[[Row], str]


def _rule(name: str, expected: str, kind: type[Expectation], got: Callable[[Row], str], **kwargs: Any) -> Rule:
    return Rule(name, expected, kind(description=f"{name}: {expected}", meta={"rule": name}, **kwargs), got)


def image_rules(config: ValidateAnnotations) -> list[Rule]:
    """About an image on its own."""
    return [
        _rule("image_present", "the file that the labels name is in the delivery", gxe.ExpectColumnValuesToNotBeNull,
              lambda row: str(row["missing"]), column="md5"),
        _rule("image_readable", f"a picture that decodes whole, at most {config.max_image_megapixels:g} megapixels",
              gxe.ExpectColumnValuesToBeNull, lambda row: str(row["decode_problem"]), column="decode_problem"),
        _rule("image_size_as_stated", "the size in pixels that the labels state", gxe.ExpectColumnPairValuesToBeEqual,
              _size, column_A="stated_size", column_B="real_size", ignore_row_if="either_value_is_missing"),
    ]  # fmt: skip


def same_image_rules() -> list[Rule]:
    """About an image beside the others."""
    return [
        _rule("image_unique", "no other image of the batch with the same bytes", gxe.ExpectColumnValuesToBeNull,
              lambda row: f"same bytes as {row['same_image_as']}, which stands", column="same_image_as"),
    ]  # fmt: skip


def annotation_rules(config: ValidateAnnotations) -> list[Rule]:
    """About an annotation on its own."""
    in_image = [*SIDES, "real_width_px", "real_height_px"]
    known = ", ".join(sorted(config.classes))
    return [
        _rule("known_image", "an image_id that exactly one image of the file has", gxe.ExpectColumnValuesToNotBeNull,
              _image_id, column="image_key"),
        _rule("shape_has_a_box", f"one of: {', '.join(config.shapes)}", gxe.ExpectColumnValuesToBeInSet,
              lambda row: f"shape {row['shape']}", column="shape", value_set=list(config.shapes)),
        _rule("box_finite", "four numbers: x, y, width, height", own.ExpectBoxToBeFinite,
              _box, column_list=SIDES, ignore_row_if="never"),
        _rule("box_positive_area", "width and height above 0", own.ExpectBoxToHavePositiveArea,
              _sides, column_list=SIDES[2:], ignore_row_if="any_value_is_missing"),
        _rule("box_inside_image", f"inside its image, give or take {config.edge_tolerance_px:g} px", own.ExpectBoxToBeInsideImage,
              _place, column_list=in_image, ignore_row_if="any_value_is_missing", edge_tolerance_px=config.edge_tolerance_px),
        _rule("box_min_side", f"both sides at least {config.min_side_px:g} px", own.ExpectBoxSidesToBeAtLeast,
              _sides, column_list=SIDES[2:], ignore_row_if="any_value_is_missing", min_side_px=config.min_side_px),
        _rule("known_class", f"one of: {known}", gxe.ExpectColumnValuesToBeInSet,
              _class, column="given_class", value_set=sorted(config.classes)),
        _rule("annotators_agree", "the label that stands, of those that several people gave", gxe.ExpectColumnValuesToBeNull,
              lambda row: str(row["conflict"]), column="conflict"),
    ]  # fmt: skip


def repeated_annotation_rules(config: ValidateAnnotations) -> list[Rule]:
    """About an annotation beside the others that are sound so far."""
    return [
        _rule("unique_annotation_id", "an id that no earlier annotation of the file has", gxe.ExpectColumnValuesToBeNull,
              lambda row: f"id {row['annotation_id']}, as {row['same_id_as']}", column="same_id_as"),
        _rule("no_duplicate_box", f"no earlier box of its class with an overlap (IoU) above {config.max_duplicate_iou:g}",
              gxe.ExpectColumnValuesToBeNull, lambda row: f"same place as {row['same_box_as']}", column="same_box_as"),
    ]  # fmt: skip


def _raw(row: Row, key: str, nothing: str) -> str:
    """The value as the file had it, shortened: an annotation may hold anything. `nothing`: said of what is no COCO annotation."""
    raw = parsed(row["raw"])
    if not isinstance(raw, dict):
        return f"{key} none: the annotation is {_short(raw)}"
    if raw and COCO_KEYS.isdisjoint(raw):
        return f"{nothing}; as it came: {_short(raw)}"
    return f"{key} {_short(raw[key]) if key in raw else 'missing'}"


def _image_id(row: Row) -> str:
    given = f"image_id {row['image_id']}" if isinstance(row["image_id"], str) else "image_id missing"
    return _raw(row, "image_id", given)


def _box(row: Row) -> str:
    got = {name: row[side] for name, side in zip(("x", "y", "width", "height"), SIDES, strict=True)}
    return _raw(row, "bbox", ", ".join(f"{name} {side:g}" if side == side else f"no {name}" for name, side in got.items()))


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _sides(row: Row) -> str:
    return f"{row['width_px']:g}×{row['height_px']:g} px"


def _place(row: Row) -> str:
    x, y, width, height = (row[side] for side in SIDES)
    size = f"{row['real_width_px']:g}×{row['real_height_px']:g}"
    return f"x {x:g} to {x + width:g}, y {y:g} to {y + height:g} in an image of {size}"


def _size(row: Row) -> str:
    turned = "; its EXIF orientation turns it by 90°, and the labels seem to be drawn on the pixels as they are stored"
    swapped = row["is_turned"] and row["stated_size"] == f"{row['real_height_px']:g}×{row['real_width_px']:g}"
    return f"{row['real_size']}, stated {row['stated_size']}{turned if swapped else ''}"


def _class(row: Row) -> str:
    given = row["class_name"]
    if isinstance(given, str):
        return f"class {given}"
    said = _raw(row, "category_id", "no class")
    return f"{said}, which the file does not define" if said.startswith("category_id ") else said
