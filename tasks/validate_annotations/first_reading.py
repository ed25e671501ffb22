"""Every annotation judged by itself; and of those that are sound, which were made twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
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
from tasks.validate_annotations.people import People, Sums
from tasks.validate_annotations.repeats import BOX, ID, MIX, Pairs, repeated_boxes, repeated_ids
from tasks.validate_annotations.spill import BUCKETS_AT_ONCE, Buckets, Records
from tasks.validate_annotations.stream import Parts, ahead, numbered, submit
from tasks.validate_annotations.texts import identities, words
from tasks.validate_annotations.verdicts import Ask, Rules, judge

Ints = NDArray[np.int64]
KEYS = ["annotation_key", "annotation_id"]
LAID_ASIDE = ("row", "image_at", "class_name", "is_crowd", "annotator", "job", *SIDES)
TIMES = 2  # the rules look at few columns: of these, so many times as many rows are read at once
AHEAD = 2
NONE: Pairs = (np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True)
class _Part:
    """`at`: of each row its image. `rows`: as the rules look at them."""

    first: int
    keys: pa.Table
    at: Ints
    rows: pd.DataFrame


class Numbers(dict[object, int]):
    """Each different text by number, in the order in which they were seen; null is -1."""

    def of(self, column: pd.Series) -> NDArray[np.int32]:
        codes = [self.setdefault(word, len(self)) for word in column.cat.categories]
        return np.array([*codes, -1], np.int32)[column.cat.codes.to_numpy()]


class FirstReading:
    """`bits` and `image_at`: by row. `same_id`, `same_box`: sorted rows, and the earlier ones that they repeat.

    Labels are read, and what the rules look at is made of them, from now on: nothing is asked before `judge`.
    """

    def __init__(self, annotations: Parts, images: Images, rules: Rules, classes: Mapping[str, str], folder: Path) -> None:
        self.annotations, self.images, self.rules, self.classes = annotations, images, rules, classes
        self.bits, self.image_at = np.zeros(annotations.rows, np.uint64), np.full(annotations.rows, -1, np.int32)
        self.deliveries, self.annotators, self.jobs = Numbers(), Numbers(), Numbers()
        self.people = {"annotator": People(self.annotators), "job": People(self.jobs)}
        self.boxes = Buckets(folder / "boxes", BOX, annotations.rows)
        self.ids = Buckets(folder / "ids", ID, annotations.rows)
        self.same_id = self.same_box = NONE
        self._set_aside = defaultdict[str, list[Ints]](list)
        self._coming = ahead(self._parts(), AHEAD)

    def judge(self, ask: Ask) -> None:
        """Each by itself, then beside the others. The images have been judged."""
        with ThreadPoolExecutor(1) as thread:
            last: Future[None] | None = None
            for part in self._coming:
                told = self._judged(part, ask)
                if last is not None:
                    last.result()
                last = submit(thread, self._lay_aside, *told)
            if last is not None:
                last.result()
        self._reject_images("alone")
        self._beside_others()
        for name, (rows, _) in (("unique_annotation_id", self.same_id), ("no_duplicate_box", self.same_box)):
            self._set_aside[name].append(self.image_at[rows].astype(np.int64))
        self._reject_images("beside others")

    def _parts(self) -> Iterator[_Part]:
        for first, table in numbered(self.annotations, columns_for(self.rules.all), TIMES):
            at = self.images.places.of(table["image_key"])
            rows = annotation_frame(table, first, at, self.images.real, self.rules.all)
            yield _Part(first, table.select(KEYS), at, rows)

    def _judged(self, one: _Part, ask: Ask) -> tuple[pd.DataFrame, NDArray[np.bool_], pa.Table]:
        """The rows that do not go with their image, as repaired; which are sound, and the keys of these."""
        stays = ~self.images.is_lost[one.at]  # else with its image, whatever it is like
        rows = one.rows if stays.all() else one.rows[stays].reset_index(drop=True)
        rows, found = judge("3-annotations", rows, self.rules, self.rules.asked("alone"), ask)
        here = slice(one.first, one.first + len(one.at))
        self.bits[here][stays], self.image_at[here] = found, one.at
        for rule in self.rules.asked("alone"):
            if rule.action == "reject_image":
                self._set_aside[rule.name].append(one.at[(self.bits[here] & self.rules.bit(rule) > 0) & (one.at >= 0)])
        stays[stays] = is_sound = (found & self.rules.rejecting) == 0
        return rows, is_sound, one.keys.filter(pa.array(stays))

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

    def _beside_others(self) -> None:
        """Of so many buckets as there are threads at a time."""
        with ThreadPoolExecutor(BUCKETS_AT_ONCE) as threads:
            boxes = [submit(threads, self._boxes_again, number) for number in range(self.boxes.count)]
            ids = [submit(threads, self._ids_again, number) for number in range(self.ids.count)]
            self.same_id = _sorted([one.result() for one in ids])
            self.same_box = _sorted([one.result()[0] for one in boxes])
        for one in boxes:
            for kind, sums in one.result()[1].items():
                self.people[kind].add(sums)
        del self.boxes, self.ids  # may be in memory

    def _sound(self, records: Records) -> Records:
        """Without those whose image was set aside for another annotation."""
        is_lost = self.images.is_lost[records["image"]]
        return records[~is_lost] if is_lost.any() else records

    def _ids_again(self, bucket: int) -> Pairs:
        if not any(one.name == "unique_annotation_id" for one in self.rules.all):
            return NONE
        return repeated_ids(self._sound(self.ids.read(bucket)))

    def _boxes_again(self, bucket: int) -> tuple[Pairs, dict[str, Sums]]:
        """Those that repeat others; and how people draw."""
        records = self._sound(self.boxes.read(bucket))
        sums = {kind: people.sums(records, kind) for kind, people in self.people.items()}
        rule = next((one for one in self.rules.all if one.name == "no_duplicate_box"), None)
        return (NONE if rule is None else repeated_boxes(records, float(rule.parameters["max_duplicate_iou"]))), sums

    def _reject_images(self, when: str) -> None:
        for rule in self.rules.asked(when):
            if rule.action == "reject_image" and self._set_aside[rule.name]:
                self.images.set_aside(np.concatenate(self._set_aside[rule.name]), rule)


def _sorted(pairs: list[Pairs]) -> Pairs:
    rows, of = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    order = np.argsort(rows)
    return rows[order], of[order]
