"""Every annotation judged by itself; and of those that are sound, which were made twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from include.checks.annotation_checks import SIDES
from tasks.validate_annotations.frames import annotation_frame, columns_for
from tasks.validate_annotations.images import Images
from tasks.validate_annotations.people import People
from tasks.validate_annotations.repeats import BOX, ID, MIX, Pairs, repeated_boxes, repeated_ids
from tasks.validate_annotations.spill import Buckets, Records
from tasks.validate_annotations.stream import Parts, ahead
from tasks.validate_annotations.texts import identities, words
from tasks.validate_annotations.verdicts import Ask, Bits, Rules, judge

Ints = NDArray[np.int64]
KEYS = ["annotation_key", "annotation_id"]
LAID_ASIDE = ("row", "image_at", "class_name", "is_crowd", "annotator", "job", *SIDES)
NONE: Pairs = (np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True)
class _Part:
    """`at`: of each row its image. `goes`: it is set aside with its image. `rows`: the others, as the rules look at them."""

    table: pa.Table
    at: Ints
    goes: NDArray[np.bool_]
    rows: pd.DataFrame


class Numbers(dict[object, int]):
    """Each different text by number, in the order in which they were seen; null is -1."""

    def of(self, column: pd.Series) -> NDArray[np.int32]:
        codes = [self.setdefault(word, len(self)) for word in column.cat.categories]
        return np.array([*codes, -1], np.int32)[column.cat.codes.to_numpy()]


class FirstReading:
    """`bits` and `image_at`: of each part, by row. `same_id`, `same_box`: sorted rows, and the earlier ones that they repeat."""

    def __init__(
        self, annotations: Parts, images: Images, rules: Rules, classes: Mapping[str, str], ask: Ask, folder: Path
    ) -> None:
        self.annotations, self.images, self.rules, self.classes, self.ask = annotations, images, rules, classes, ask
        self.bits: list[Bits] = []
        self.image_at: list[NDArray[np.int32]] = []
        self.deliveries, self.annotators, self.jobs = Numbers(), Numbers(), Numbers()
        self.people = {"annotator": People(self.annotators), "job": People(self.jobs)}
        self.boxes = Buckets(folder / "boxes", BOX, annotations.rows)
        self.ids = Buckets(folder / "ids", ID, annotations.rows)
        lost, self._set_aside = images.is_lost.copy(), defaultdict[str, list[Ints]](list)
        for one in ahead(self._parts(lost)):
            self._judge(one)
        self._reject_images("alone")
        with ThreadPoolExecutor(1) as thread:
            ids = thread.submit(copy_context().run, self._ids_again)
            self.same_box = self._boxes_again()
            self.same_id = ids.result()
        for name, (rows, _) in (("unique_annotation_id", self.same_id), ("no_duplicate_box", self.same_box)):
            self._set_aside[name].append(self._image_of(rows))
        self._reject_images("beside others")

    def _parts(self, lost: NDArray[np.bool_]) -> Iterator[_Part]:
        for first, table in numbered(self.annotations, columns_for(self.rules.all)):
            at = self.images.places.of(table["image_key"])
            goes = (at >= 0) & np.append(lost, False)[at]  # with its image, whatever it is like
            rows = annotation_frame(table, first, at, self.images.frame, self.rules.all)
            yield _Part(table, at, goes, rows[~goes].reset_index(drop=True) if goes.any() else rows)

    def _judge(self, one: _Part) -> None:
        rows, found = judge("3-annotations", one.rows, self.rules, self.rules.asked("alone"), self.ask)
        bits = np.zeros(len(one.table), np.uint64)
        bits[~one.goes] = found
        self.bits.append(bits)
        self.image_at.append(one.at.astype(np.int32))
        for rule in self.rules.asked("alone"):
            if rule.action == "reject_image":
                self._set_aside[rule.name].append(one.at[(bits & self.rules.bit(rule) > 0) & (one.at >= 0)])
        stays = ~one.goes
        stays[stays] = is_sound = (found & self.rules.rejecting) == 0
        self._lay_aside(rows, is_sound, one.table.select(KEYS).filter(pa.array(stays)))

    def _lay_aside(self, rows: pd.DataFrame, is_sound: NDArray[np.bool_], keys: pa.Table) -> None:
        """`keys`: of the sound rows."""
        sound = {name: rows[name][is_sound] for name in LAID_ASIDE}
        image, row = sound["image_at"].to_numpy(), sound["row"].to_numpy()
        kinds = {name: number for number, name in enumerate(sorted(set(self.classes.values())))}
        kind = np.array([*(kinds.get(self.classes.get(name, ""), -1) for name in rows["class_name"].cat.categories), -1])
        box = {
            "row": row, "image": image, "annotator": self.annotators.of(sound["annotator"]), "job": self.jobs.of(sound["job"]),
            "kind": 2 * kind[sound["class_name"].cat.codes.to_numpy()] + sound["is_crowd"].to_numpy(),
        }  # fmt: skip
        self.boxes.add(image, box | {side.removesuffix("_px"): sound[side].to_numpy() for side in SIDES})
        has_id = keys["annotation_id"].is_valid().to_numpy()
        named = keys.filter(pa.array(has_id)) if not has_id.all() else keys
        one, other = identities(named["annotation_id"])
        deliveries = self.deliveries.of(words(pc.ascii_rtrim(named["annotation_key"], characters="0123456789")))
        ids = {"row": row[has_id], "image": image[has_id], "delivery": deliveries, "hash": one, "other_hash": other}
        self.ids.add((one ^ other) * MIX >> np.uint64(32), ids)

    def _sound(self, buckets: Buckets) -> Iterator[Records]:
        """Without those whose image was set aside for another annotation."""
        for records in buckets.each():
            yield records[~self.images.is_lost[records["image"]]]

    def _ids_again(self) -> Pairs:
        if not any(one.name == "unique_annotation_id" for one in self.rules.all):
            return NONE
        return _sorted([repeated_ids(records) for records in self._sound(self.ids)])

    def _boxes_again(self) -> Pairs:
        rule = next((one for one in self.rules.all if one.name == "no_duplicate_box"), None)
        found = [NONE]
        for records in self._sound(self.boxes):
            for kind, people in self.people.items():
                people.add(records, kind)
            if rule is not None:
                found.append(repeated_boxes(records, float(rule.parameters["max_duplicate_iou"])))
        return _sorted(found)

    def _image_of(self, rows: Ints) -> Ints:
        starts = np.cumsum([0, *(len(one) for one in self.image_at)])
        part = np.searchsorted(starts, rows, side="right") - 1
        return np.array([self.image_at[p][row - starts[p]] for p, row in zip(part, rows, strict=True)], np.int64)

    def _reject_images(self, when: str) -> None:
        for rule in self.rules.asked(when):
            if rule.action == "reject_image" and self._set_aside[rule.name]:
                self.images.set_aside(np.concatenate(self._set_aside[rule.name]), rule)


def numbered(annotations: Parts, columns: set[str]) -> Iterator[tuple[int, pa.Table]]:
    """Each part with the number of its first row."""
    first = 0
    for part in annotations.read(columns):
        yield first, part
        first += len(part)


def _sorted(pairs: list[Pairs]) -> Pairs:
    rows, of = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    order = np.argsort(rows)
    return rows[order], of[order]
