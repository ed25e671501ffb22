"""The images of a batch: which of them may teach, and under which rule the others are set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from include.artifacts.tables import IMAGES
from include.definitions.suites import RuleInUse
from tasks.validate_annotations.findings import AT_ONCE, Finding, Findings, got
from tasks.validate_annotations.frames import SIZE, Floats, columns_for_images, image_frame, real_sizes, same_image
from tasks.validate_annotations.pictures import Picture, as_seen
from tasks.validate_annotations.stream import Parts, numbered, taken
from tasks.validate_annotations.texts import LONG, Places, mixed, shared
from tasks.validate_annotations.verdicts import Ask, Rules, judge

Ints = NDArray[np.int64]
SALT = np.arange(LONG // 8 + 1, dtype=np.uint64)[np.newaxis]


class Images:
    """Some 60 bytes of each are in memory: where it is, its size, what was found of it.

    `is_lost`: by row of the table, whether the image is set aside; `why`: of those, the rule and what was got. `real`: width and
    height of the pictures, NaN where they are not known. Both have one more, at -1, for labels of no image.
    """

    def __init__(self, images: Parts, pictures: Mapping[str, Picture] | None, rules: Rules) -> None:
        self.images, self.pictures, self.rules = images, pictures, rules
        self.real: tuple[Floats, Floats] = (np.full(images.rows + 1, np.nan), np.full(images.rows + 1, np.nan))
        self.places = Places(self._keys())
        self.bits, self.is_lost = np.zeros(images.rows, np.uint64), np.zeros(images.rows + 1, np.bool_)
        self.same = np.full(images.rows, -1, np.int32)
        self.by_annotations: dict[int, tuple[RuleInUse, int]] = {}

    def _keys(self) -> Iterator[pa.StringArray]:
        for first, part in numbered(self.images, {"image_key", "md5", *SIZE}):
            for all_of_them, some in zip(self.real, real_sizes(part, self.pictures), strict=True):
                all_of_them[first : first + len(part)] = some
            yield part["image_key"].combine_chunks()

    def judge(self, ask: Ask) -> None:
        """Each by itself, then beside the others."""
        hashes = np.empty(self.images.rows, np.uint64)
        for first, part in numbered(self.images, columns_for_images(self.rules.all)):
            rows = np.arange(first, first + len(part))
            self._judge("1-images", image_frame(part, rows, self.pictures, self.rules.all), "alone", ask)
            (hashes[rows],) = mixed(part["md5"].combine_chunks().fill_null(""), SALT)
        sound = self._sound()
        alike = sound[shared(hashes[sound])]  # few
        some = taken(self.images, alike, {"md5", "delivery"})
        self.same[alike] = same_image(some["md5"], some["delivery"], alike)
        frame = pd.DataFrame({"row": sound, "same_image_as": self.same[sound]})
        self._judge("2-images-delivered-twice", frame, "beside others", ask)

    def _sound(self) -> Ints:
        return np.flatnonzero(~self.is_lost[:-1])

    def _judge(self, question: str, frame: pd.DataFrame, when: str, ask: Ask) -> None:
        _, bits = judge(question, frame, self.rules, self.rules.asked(when), ask)
        rows = frame["row"].to_numpy()
        self.bits[rows] |= bits
        self.is_lost[rows] |= (bits & self.rules.rejecting) > 0

    def set_aside(self, rows: Ints, rule: RuleInUse) -> None:
        """Images of which an annotation breaks a rule that rejects the image; a row for each such annotation."""
        for row, count in zip(*np.unique(rows[~self.is_lost[rows]], return_counts=True), strict=True):
            self.by_annotations[int(row)] = (rule, int(count))
        self.is_lost[rows] = True

    def look_at_labels(self, boxes: Ints, ask: Ask) -> None:
        """`boxes`: how many annotations each image has that teach."""
        sound = self._sound()
        self._judge("5-images-at-the-end", pd.DataFrame({"row": sound, "boxes": boxes[sound]}), "at the end", ask)

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
        some = np.flatnonzero((self.bits > 0) | self.is_lost[:-1]).tolist()
        for row, image in zip(some, self.rows(some), strict=True):
            if row in self.by_annotations:
                rule, said = self.why(row)
                yield make.of(image, rule, "reject image", said, subject="image")
            else:
                yield from make.of_row(image, int(self.bits[row]), self.rules)

    def rows(self, rows: list[int]) -> Iterator[dict[Any, Any]]:
        """All that is known of these images, which are in order."""
        others = np.unique(self.same[rows]).astype(np.int64)
        others = others[others >= 0]
        keys = dict(zip(others.tolist(), taken(self.images, others, {"image_key"})["image_key"].to_pylist(), strict=True))
        for first, part in numbered(self.images, set(IMAGES.names)):
            low, high = np.searchsorted(rows, (first, first + len(part)))
            for start in range(low, high, AT_ONCE):
                here = np.array(rows[start : min(start + AT_ONCE, high)], np.int64)
                yield from self._rows(here, part.take(pa.array(here - first)), keys)

    def _rows(self, rows: Ints, images: pa.Table, keys: Mapping[int, str]) -> Iterator[dict[Any, Any]]:
        looked = image_frame(images, rows, self.pictures, self.rules.all).to_dict("records")
        for said, seen, other in zip(images.to_pylist(), looked, self.same[rows].tolist(), strict=True):
            picture = self.pictures.get(said["md5"]) if self.pictures and said["md5"] else None
            sizes = {name: float("nan") if said[name] is None else said[name] for name in SIZE}
            more = {"decode_problem": picture.problem if picture else None, "same_image": keys.get(other)}
            yield {**seen, **said, **sizes, **more}

    def accepted(self) -> Iterator[pa.Table]:
        """The size of an accepted image is the picture's: where the labels state one, it is the same. With what it looks like."""
        for first, part in numbered(self.images, set(IMAGES.names)):
            rows = slice(first, first + len(part))
            for name, real in zip(SIZE, self.real, strict=True):
                part = part.set_column(part.schema.get_field_index(name), name, pa.array(real[rows]))
            part = part.filter(pa.array(~self.is_lost[rows]))
            yield (part if self.pictures is None else as_seen(part, self.pictures)).cast(IMAGES)
