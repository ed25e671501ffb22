"""Every annotation again: judged beside the others, and written as it teaches, or said of what it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from include.artifacts.tables import ANNOTATIONS
from include.checks.annotation_checks import SIDES
from tasks.validate_annotations.findings import Finding, Findings, table_of
from tasks.validate_annotations.first_reading import FirstReading
from tasks.validate_annotations.frames import annotation_frame
from tasks.validate_annotations.repeats import Pairs
from tasks.validate_annotations.stream import ahead, numbered
from tasks.validate_annotations.verdicts import MOST, Ask, Bits, judge, repair

Ints = NDArray[np.int64]
Repairs = dict[int, dict[str, tuple[dict[str, float], dict[str, float]]]]  # by position and rule: before and after


@dataclass(frozen=True)
class Part:
    """`image_at`: of the accepted, the row of their image."""

    accepted: pa.Table
    findings: pa.Table
    image_at: Ints


class SecondReading:
    """`by_class`: accepted annotations by class in datasets. `rejected`: others, by annotator and by job."""

    def __init__(self, first: FirstReading, make: Findings, ask: Ask) -> None:
        self.first, self.make, self.ask, self.rules = first, make, ask, first.rules
        self.by_class: Counter[str] = Counter()
        self.rejected: dict[str, Counter[object]] = {"annotator": Counter(), "job": Counter()}
        self.wanted = np.unique(np.concatenate([first.same_id[1], first.same_box[1]]))
        self.keys: list[pa.StringArray] = []  # of the wanted rows, which come before the rows that repeat them
        self.why: dict[int, tuple[Any, str]] = {}

    def parts(self) -> Iterator[Part]:
        for first, part in ahead(numbered(self.first.annotations, set(ANNOTATIONS.names))):
            here = slice(first, first + len(part))
            yield self._part(first, part, self.first.bits[here], self.first.image_at[here].astype(np.int64))

    def _part(self, first: int, part: pa.Table, bits: Bits, at: Ints) -> Part:
        goes = self.first.images.is_lost[at]
        is_sound = ~goes & ((bits & self.rules.rejecting) == 0)
        rows = first + np.flatnonzero(is_sound)
        asked = self.rules.asked("beside others")
        frame = pd.DataFrame(
            {"row": rows, "same_id_as": _of(self.first.same_id, rows), "same_box_as": _of(self.first.same_box, rows)}
        )
        bits[is_sound] |= judge("4-annotations-made-twice", frame, self.rules, asked, self.ask)[1]
        accepted = ~goes & ((bits & self.rules.rejecting) == 0)
        here = self.wanted[(self.wanted >= first) & (self.wanted < first + len(part))]
        self.keys.append(part["annotation_key"].take(pa.array(here - first)).combine_chunks())
        sides, repairs = self._mended(first, part, bits, at)
        findings = table_of(self._findings(first, part, bits, at, goes, sides, repairs))
        return Part(self._accepted(part, accepted, sides), findings, at[accepted])

    def _mended(self, first: int, part: pa.Table, bits: Bits, at: Ints) -> tuple[pd.DataFrame, Repairs]:
        """Sides of the boxes that were repaired, by position, and what each repair changed: as in the first reading."""
        positions = np.flatnonzero(bits >> np.uint64(MOST))
        few = part.take(pa.array(positions))
        frame = annotation_frame(few, first, at[positions], self.first.images.real, ()).set_index(positions)
        repairs: Repairs = {}
        for rule in self.rules.asked("alone"):
            which = (bits[positions] & self.rules.repaired_bit(rule)) > 0
            if rule.action == "repair" and which.any():
                new = repair(frame[which], rule)
                old = frame.loc[new.index, list(new.columns)]
                frame.loc[new.index, list(new.columns)] = new
                for position, before, after in zip(new.index, old.to_dict("records"), new.to_dict("records"), strict=True):
                    changed = [name for name in before if before[name] != after[name]]
                    repairs.setdefault(position, {})[rule.name] = (
                        {str(name): before[name] for name in changed}, {str(name): after[name] for name in changed},
                    )  # fmt: skip
        return frame[list(SIDES)], repairs

    def _findings(
        self, first: int, part: pa.Table, bits: Bits, at: Ints, goes: NDArray[np.bool_], sides: pd.DataFrame, repairs: Repairs
    ) -> Iterator[Finding]:
        positions = np.flatnonzero((bits > 0) | goes)
        boxes, with_image = sides.to_dict("index"), goes & (bits & self.rules.rejecting == 0)
        rows = part.take(pa.array(positions)).to_pylist()
        more = zip(*(one[positions].tolist() for one in (bits, at, with_image)), strict=True)
        beside = self._beside(first + positions, at[positions])
        for position, row, others, of in zip(positions.tolist(), rows, beside, more, strict=True):
            row |= {side: float("nan") if row[side] is None else row[side] for side in SIDES} | boxes.get(position, {})
            row |= others | {"repairs": repairs.get(position, {})}
            found = list(self._of(row, *of))
            for who in self.rejected:
                self.rejected[who][row[who]] += found[0]["action"].startswith("reject")
            yield from found

    def _of(self, row: dict[str, Any], bits: int, at: int, goes: bool) -> Iterator[Finding]:
        if goes:
            if at not in self.why:
                self.why[at] = self.first.images.why(at)
            yield self.make.with_image(row, *self.why[at])
        else:
            yield from self.make.of_row(row, bits, self.rules)

    def _beside(self, rows: Ints, at: Ints) -> Iterator[dict[str, Any]]:
        """What the rules' words want that is in no column."""
        sizes = (real[at] for real in self.first.images.real)
        others = (self._keys_of(_of(pairs, rows)) for pairs in (self.first.same_id, self.first.same_box))
        for width, height, same_id, same_box in zip(*(one.tolist() for one in sizes), *others, strict=True):
            yield {"real_width_px": width, "real_height_px": height, "same_id": same_id, "same_box": same_box}

    def _keys_of(self, rows: Ints) -> list[str | None]:
        """Of wanted rows; -1: of none."""
        at = pa.array(np.searchsorted(self.wanted, rows), mask=rows < 0)
        keys: list[str | None] = pa.chunked_array(self.keys, pa.string()).take(at).to_pylist()
        return keys

    def _accepted(self, part: pa.Table, accepted: NDArray[np.bool_], sides: pd.DataFrame) -> pa.Table:
        for name in SIDES if len(sides) else ():
            values = part[name].to_numpy().copy()
            values[sides.index] = sides[name]
            part = part.set_column(part.schema.get_field_index(name), name, pa.array(values))
        part = part.filter(pa.array(accepted))
        encoded = part["class_name"].combine_chunks().dictionary_encode()
        names = pa.array([self.first.classes.get(name) for name in encoded.dictionary.to_pylist()], pa.string())
        classes = pa.DictionaryArray.from_arrays(encoded.indices, names).cast(pa.string())
        for one in classes.value_counts().to_pylist():
            self.by_class[one["values"]] += one["counts"]
        return part.set_column(part.schema.get_field_index("class_name"), "class_name", classes)


def _of(pairs: Pairs, rows: Ints) -> Ints:
    """The earlier row that each repeats; -1: none."""
    if not len(pairs[0]):
        return np.full(len(rows), -1)
    at = np.searchsorted(pairs[0], rows).clip(max=len(pairs[0]) - 1)
    return np.where(pairs[0][at] == rows, pairs[1][at], -1)
