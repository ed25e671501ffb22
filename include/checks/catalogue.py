"""Every rule there is: what it is about, what it expects, what it can be told, and what may be done where it is broken.

Light to import, because Airflow reads it with the team's YAML. How a rule is checked, by the same name: image_checks.py,
annotation_checks.py, polygon_checks.py, batch_checks.py. A row that breaks several is set aside by the first of this order.

    reject        the row is set aside
    reject_image  the image is set aside, and all that is drawn on it
    repair        the row is mended, and teaches as mended; where it cannot be, it is rejected
    warn          the row teaches; it is said
    stop          the batch does not teach until a person has looked
    off           not asked
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from include.checks import parameters as told
from include.checks.parameters import Parameters

Subject = Literal["image", "annotation", "batch"]
Action = Literal["reject", "reject_image", "repair", "warn", "stop", "off"]
Asked = Literal["alone", "beside others", "at the end"]

ROW: tuple[Action, ...] = ("reject", "reject_image", "warn", "stop", "off")
IMAGE: tuple[Action, ...] = ("reject", "warn", "stop", "off")
# Without it a row cannot teach, whoever lets the batch through; a gate with `max_share: 0` stops at the first
MUST: tuple[Action, ...] = ("reject", "reject_image")
MENDS: tuple[Action, ...] = ("reject", "reject_image", "repair", "warn", "stop", "off")
BATCH: tuple[Action, ...] = ("warn", "stop", "off")


@dataclass(frozen=True)
class Rule:
    """`expected` in words; {names} are its parameters. The first of `actions` is taken where the YAML names none.

    `asked`: of the row alone; beside the other rows that are sound so far; or at the end, of what is left.
    """

    name: str
    subject: Subject
    expected: str
    parameters: type[Parameters] = Parameters
    actions: tuple[Action, ...] = ROW
    asked: Asked = "alone"


RULES: tuple[Rule, ...] = (
    Rule("image_present", "image", "the file that the labels name is in the delivery", actions=("reject",)),
    Rule("image_readable", "image", "a picture that decodes whole, at most {max_image_megapixels:g} megapixels", 
         told.MaxMegapixels, actions=("reject", "off")),
    Rule("image_size_as_stated", "image", "the size in pixels that the labels state", actions=IMAGE),
    Rule("image_has_tags", "image", "said of it: {tags}", told.Tags, actions=IMAGE),
    Rule("image_unique", "image", "no other image of the batch with the same bytes", actions=("reject",),
         asked="beside others"),
    Rule("image_has_labels", "image", "something that teaches is drawn on it", actions=("warn", "reject", "stop", "off"),
         asked="at the end"),
    Rule("known_image", "annotation", "an image_id that exactly one image of the file has", actions=("reject",)),
    Rule("shape_has_a_box", "annotation", "one of: {shapes}", told.Shapes, actions=MUST),
    Rule("box_finite", "annotation", "four numbers: x, y, width, height", actions=MUST),
    Rule("box_positive_area", "annotation", "width and height above 0", actions=("reject", "reject_image", "repair")),
    Rule("box_inside_image", "annotation", "inside its image, give or take {edge_tolerance_px:g} px", told.InsideImage,
         actions=MENDS),
    Rule("box_min_side", "annotation", "both sides at least {min_side_px:g} px", told.MinSide),
    Rule("box_max_aspect_ratio", "annotation", "the longer side at most {max_ratio:g} times the shorter", told.AspectRatio),
    Rule("known_class", "annotation", "one of: {classes}", told.Classes, actions=MUST),
    Rule("annotators_agree", "annotation", "the label that stands, of those that several people gave", actions=MUST),
    Rule("known_attributes", "annotation", "attributes and their values as agreed: {values}", told.Attributes),
    Rule("polygon_valid", "annotation", "a polygon that does not cross itself, of at least three corners"),
    Rule("box_matches_polygon", "annotation", "the box around its polygon, IoU at least {min_iou:g}", told.PolygonBox),
    Rule("area_as_stated", "annotation", "an area within {tolerance:.0%} of what is drawn", told.Area),
    Rule("crowd_is_a_mask", "annotation", "a mask that fills its size: iscrowd marks a region of many objects, not one box"),
    Rule("guideline_version", "annotation", "drawn by one of the guidelines: {versions}", told.Guidelines),
    Rule("unique_annotation_id", "annotation", "an id that no earlier annotation of the file has", asked="beside others"),
    Rule("no_duplicate_box", "annotation", "no earlier box of the class with IoU above {max_duplicate_iou:g}", told.DuplicateIou,
         actions=MENDS, asked="beside others"),
    Rule("class_balance", "batch", "shares of the classes as in the last batch, PSI at most {max_psi:g}", told.ClassBalance,
         actions=BATCH, asked="at the end"),
    Rule("counts_against_parent", "batch", "boxes per image as in the last batch, within a factor of {max_ratio:g}", told.Counts,
         actions=BATCH, asked="at the end"),
    Rule("annotator_outliers", "batch", "draws like the others: robust z at most {max_z:g}", told.Outliers, actions=BATCH,
         asked="at the end"),
    Rule("job_outliers", "batch", "was drawn like the other jobs: robust z at most {max_z:g}", told.Outliers, actions=BATCH,
         asked="at the end"),
)  # fmt: skip
BY_NAME = {rule.name: rule for rule in RULES}
