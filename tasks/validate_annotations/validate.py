"""Divide a batch: what may teach, and what is set aside with the rule that it broke. Nothing is dropped, nothing repaired."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from include.artifacts.tables import FINDINGS
from tasks.validate_annotations.config import ValidateAnnotations
from tasks.validate_annotations.frames import annotation_frame, image_frame, same_image, with_repeats
from tasks.validate_annotations.pictures import Picture
from tasks.validate_annotations.rules import (
    Row,
    Rule,
    annotation_rules,
    image_rules,
    repeated_annotation_rules,
    same_image_rules,
)

Ask = Callable[[str, pd.DataFrame, Sequence[Rule]], dict[str, list[str]]]


@dataclass(frozen=True)
class Divided:
    """Tables IMAGES, ANNOTATIONS (class names as in datasets) and FINDINGS: every row of the batch is in exactly one."""

    images: pa.Table
    annotations: pa.Table
    rejected: pa.Table


class _Verdicts:
    """One row of FINDINGS per image or annotation set aside, under the first rule that it broke."""

    def __init__(self, ask: Ask, owner: str) -> None:
        self.ask, self.owner = ask, owner
        self.rejected: list[dict[str, str | None]] = []

    def sift(self, question: str, subject: str, rows: pd.DataFrame, rules: list[Rule]) -> pd.DataFrame:
        """The rows that break none of the rules."""
        broken = self.ask(question, rows, rules)
        for row in rows.loc[rows.index.isin(list(broken))].to_dict("records"):
            names = broken[row[f"{subject}_key"]]
            rule = next(rule for rule in rules if rule.name == names[0])
            also = f" (also breaks {', '.join(names[1:])})" if names[1:] else ""
            self.reject(subject, row, rule.name, rule.got(row) + also, rule.expected)
        return rows.loc[~rows.index.isin(list(broken))]

    def reject(self, subject: str, row: Row, rule: str, got: str | None, expected: str | None) -> None:
        self.rejected.append(
            {
                "subject": subject,
                "key": row[f"{subject}_key"],
                "image_key": _text(row["image_key"]),
                "annotation_id": _text(row.get("annotation_id")),
                "rule": rule,
                "action": f"reject {subject}",
                "owner": self.owner,
                "got": got,
                "expected": expected,
                "severity": "error",
                "class_name": _text(row.get("class_name")),
                "annotator": _text(row.get("annotator")),
                "job": _text(row.get("job")),
            }
        )

    def reject_with_images(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Annotations of rejected images go with them, under the image's rule. Returns the others."""
        images = {str(row["key"]): row for row in self.rejected if row["subject"] == "image"}
        lost = rows["image_key"].isin(list(images))
        for row in rows[lost].to_dict("records"):
            image = images[row["image_key"]]
            self.reject("annotation", row, str(image["rule"]), image["got"], image["expected"])
        return rows[~lost]


def divide(
    images: pa.Table, annotations: pa.Table, pictures: Mapping[str, Picture], config: ValidateAnnotations, ask: Ask
) -> Divided:
    """`pictures`: by md5, what the images really are. `ask`: Suites.broken."""
    verdicts = _Verdicts(ask, config.owner)
    all_images = image_frame(images, pictures)
    sound = verdicts.sift("1-images", "image", all_images, image_rules(config))
    sound = verdicts.sift("2-images-delivered-twice", "image", sound.assign(same_image_as=same_image(sound)), same_image_rules())
    rows = verdicts.reject_with_images(annotation_frame(annotations, all_images, config.classes))
    rows = verdicts.sift("3-annotations", "annotation", rows, annotation_rules(config))
    repeats = with_repeats(rows, config.max_duplicate_iou)
    rows = verdicts.sift("4-annotations-made-twice", "annotation", repeats, repeated_annotation_rules(config))
    return Divided(
        _real_sizes(_only(images, "image_key", sound), sound),
        _dataset_classes(_only(annotations, "annotation_key", rows), rows),
        pa.Table.from_pylist(verdicts.rejected, FINDINGS),
    )


def _text(value: object) -> str | None:
    """Null in a frame may be None or NaN."""
    return value if isinstance(value, str) else None


def _only(table: pa.Table, key: str, rows: pd.DataFrame) -> pa.Table:
    kept = set(rows.index)
    return table.filter(pa.array([one in kept for one in table[key].to_pylist()], pa.bool_()))


def _real_sizes(table: pa.Table, rows: pd.DataFrame) -> pa.Table:
    """The size of an accepted image is the picture's: where the labels state one, it is the same."""
    for name in ("width_px", "height_px"):
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(rows[f"real_{name}"].astype(float)))
    return table


def _dataset_classes(table: pa.Table, rows: pd.DataFrame) -> pa.Table:
    names = pa.array(rows["dataset_class"].tolist(), pa.string())
    return table.set_column(table.schema.get_field_index("class_name"), "class_name", names)
