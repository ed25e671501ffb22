"""The images of a batch: which of them may teach, and under which rule the others are set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from include.definitions.suites import RuleInUse
from tasks.validate_annotations.findings import AT_ONCE, Finding, Findings, got
from tasks.validate_annotations.frames import image_frame, same_image
from tasks.validate_annotations.pictures import Picture, as_seen
from tasks.validate_annotations.texts import Places
from tasks.validate_annotations.verdicts import Ask, Rules, judge

Ints = NDArray[np.int64]


class Images:
    """All in memory, some 150 bytes each: annotations are many more, and come in parts.

    `is_lost`: by row of the table, whether the image is set aside; `why`: of those, the rule and what was got.
    """

    def __init__(self, table: pa.Table, pictures: Mapping[str, Picture] | None, rules: Rules) -> None:
        self.table, self.pictures, self.rules = table, pictures, rules
        self.places = Places(table["image_key"])
        self.frame = image_frame(table, pictures, rules.all)
        self.bits, self.is_lost, self.same = (
            np.zeros(len(table), np.uint64),
            np.zeros(len(table), np.bool_),
            np.full(len(table), -1),
        )
        self.by_annotations: dict[int, tuple[RuleInUse, int]] = {}

    def judge(self, ask: Ask) -> None:
        """Each by itself, then beside the others."""
        self._judge("1-images", self.frame, "alone", ask)
        sound = self._sound()
        sound["same_image_as"] = self.same[sound["row"]] = same_image(self.table, sound)
        self._judge("2-images-delivered-twice", sound, "beside others", ask)

    def _sound(self) -> pd.DataFrame:
        return self.frame[~self.is_lost].reset_index(drop=True) if self.is_lost.any() else self.frame.copy(deep=False)

    def _judge(self, question: str, sound: pd.DataFrame, when: str, ask: Ask) -> None:
        _, bits = judge(question, sound, self.rules, self.rules.asked(when), ask)
        self.bits[sound["row"]] |= bits
        self.is_lost |= (self.bits & self.rules.rejecting) > 0

    def set_aside(self, rows: Ints, rule: RuleInUse) -> None:
        """Images of which an annotation breaks a rule that rejects the image; a row for each such annotation."""
        for row, count in zip(*np.unique(rows[~self.is_lost[rows]], return_counts=True), strict=True):
            self.by_annotations[int(row)] = (rule, int(count))
        self.is_lost[rows] = True

    def look_at_labels(self, boxes: Ints, ask: Ask) -> None:
        """`boxes`: how many annotations each image has that teach."""
        self._judge("5-images-at-the-end", self._sound().assign(boxes=boxes[~self.is_lost]), "at the end", ask)

    def why(self, row: int) -> tuple[RuleInUse, str]:
        """Of an image that is set aside."""
        if row in self.by_annotations:
            rule, count = self.by_annotations[row]
            return rule, f"{count} of its annotations break it"
        return self._why[row]

    @cached_property
    def _why(self) -> dict[int, tuple[RuleInUse, str]]:
        """Of those that are set aside for themselves, when no more will be."""
        lost = [row for row in np.flatnonzero(self.is_lost).tolist() if row not in self.by_annotations]
        rules = [next(one for one in self.rules.named(int(self.bits[row])) if one.action == "reject") for row in lost]
        return {row: (rule, got(said, rule)) for row, rule, said in zip(lost, rules, self.rows(lost), strict=True)}

    def findings(self, make: Findings) -> Iterator[Finding]:
        """Of every image of which there is something to say."""
        some = np.flatnonzero((self.bits > 0) | self.is_lost).tolist()
        for row, image in zip(some, self.rows(some), strict=True):
            if row in self.by_annotations:
                rule, said = self.why(row)
                yield make.of(image, rule, "reject image", said, subject="image")
            else:
                yield from make.of_row(image, int(self.bits[row]), self.rules)

    def rows(self, rows: list[int]) -> Iterator[dict[Any, Any]]:
        """All that is known of these images."""
        for start in range(0, len(rows), AT_ONCE):
            yield from self._rows(rows[start : start + AT_ONCE])

    def _rows(self, rows: list[int]) -> Iterator[dict[Any, Any]]:
        others = self.same[rows]
        same = self.table["image_key"].take(pa.array(others, mask=others < 0)).to_pylist()
        looked = self.frame.iloc[rows].to_dict("records")
        for said, seen, other in zip(self.table.take(pa.array(rows, pa.int64())).to_pylist(), looked, same, strict=True):
            picture = self.pictures.get(said["md5"]) if self.pictures and said["md5"] else None
            sizes = {name: float("nan") if said[name] is None else said[name] for name in ("width_px", "height_px")}
            more = {"decode_problem": picture.problem if picture else None, "same_image": other}
            yield {**seen, **said, **sizes, **more}

    def accepted(self) -> pa.Table:
        """The size of an accepted image is the picture's: where the labels state one, it is the same. With what it looks like."""
        table = self.table
        for name in ("width_px", "height_px"):
            real = pa.array(self.frame[f"real_{name}"].to_numpy(np.float64))
            table = table.set_column(table.schema.get_field_index(name), name, real)
        accepted = table.filter(pa.array(~self.is_lost))
        return accepted if self.pictures is None else as_seen(accepted, self.pictures)
