"""Where several people labelled a picture: whose label of each object stands, by the rule that the source names.

    majority       what at least half of them drew, in the class that most say; of equal boxes the one most like the others
    union          what any of them drew, once
    intersection   what all of them drew in the same class, once
    newest         all labels of who drew last on the picture
    reviewer_wins  all labels of the reviewer, if he drew; else of who was reviewed last; by majority where nobody was
    keep_all       everything stands: two boxes on one object both teach

Two who disagree whether there is an object are a tie, and it stands: people overlook more than they invent, and an object without
a label teaches that there is nothing. (CVAT's consensus has the same quorum.) Where people may have shared a picture between
them, what only one of them drew stands too, and the rules decide object by object.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from tasks.ingest_labels.answers import Drawn, Sitting
from tasks.ingest_labels.matching import Matches
from tasks.ingest_labels.rows import Row

ConflictRule = Literal["majority", "union", "intersection", "newest", "reviewer_wins", "keep_all"]
LONG_AGO = datetime.min.replace(tzinfo=UTC)
TOO_FEW, OTHER_CLASS, OTHER_BOX, OTHER_PERSON = (
    "too few drew it", "others give it another class", "another box of the same object stands", "another person's labels stand",
)  # fmt: skip


@dataclass(frozen=True)
class Aside:
    """`why`: one of four; `said`: in full, as people read it."""

    why: str
    said: str


def decide(drawn: Drawn, matches: Matches, annotations: Sequence[Row], rule: ConflictRule) -> dict[int, Aside]:
    """By position in the annotations, those that do not stand."""
    if rule == "keep_all":
        return {}
    return _Decision(drawn, matches, annotations, rule).aside


class _Decision:
    def __init__(self, drawn: Drawn, matches: Matches, annotations: Sequence[Row], rule: ConflictRule) -> None:
        self.drawn, self.annotations, self.rule = drawn, annotations, rule
        self.aside: dict[int, Aside] = {}
        self.picture_of = {key: number for number, one in enumerate(drawn.sittings) for key in one.names.values()}
        self.reviewers: dict[int | None, set[str]] = defaultdict(set)  # of a picture
        for row in annotations:
            if row["reviewer"] is not None:
                self.reviewers[self.picture_of.get(row["image_key"])].add(row["reviewer"])
        winners = self._winners() if rule in ("newest", "reviewer_wins") else {}
        self.likeness = _likeness(drawn, matches)
        order = np.argsort(matches.thing, kind="stable")
        for boxes in np.split(order, np.flatnonzero(np.diff(matches.thing[order])) + 1) if len(order) else []:
            picture = int(drawn.picture[boxes[0]])
            if picture not in winners:
                self._object(boxes.tolist(), drawn.sittings[picture])

    def _winners(self) -> dict[int, str]:
        """By picture that each labelled whole, who wins; everything else there is set aside, whatever its shape."""
        rows: dict[int, list[int]] = defaultdict(list)
        for position, row in enumerate(self.annotations):
            picture = self.picture_of.get(row["image_key"])
            sitting = None if picture is None else self.drawn.sittings[picture]
            if picture is not None and sitting and sitting.is_whole and sitting.names.get(row["annotator"]) == row["image_key"]:
                rows[picture].append(position)
        winners: dict[int, str] = {}
        for picture, positions in rows.items():
            best = max(positions, key=self._rank)
            if self.rule == "reviewer_wins" and not self._was_reviewed(best):
                continue
            winners[picture] = self.annotations[best]["annotator"]
            for position in positions:
                if self.annotations[position]["annotator"] != winners[picture]:
                    self.aside[position] = Aside(OTHER_PERSON, f"{self.rule}: the labels of {winners[picture]} stand")
        return winners

    def _was_reviewed(self, position: int) -> bool:
        return self._is_reviewers(position) or self.annotations[position]["reviewer"] is not None

    def _is_reviewers(self, position: int) -> bool:
        row = self.annotations[position]
        return row["annotator"] in self.reviewers[self.picture_of.get(row["image_key"])]

    def _rank(self, position: int) -> tuple[object, ...]:
        """The largest wins; what came later in the batch, of equals."""
        row = self.annotations[position]
        drawn_at = _time(row["drawn_at"])
        if self.rule == "reviewer_wins":
            reviewed = row["reviewer"] is not None
            return self._is_reviewers(position), reviewed, _time(row["reviewed_at"]), drawn_at, position
        return drawn_at, position

    def _object(self, boxes: list[int], sitting: Sitting) -> None:
        """One object: which of its boxes stands, if any."""
        people, rule = len(sitting.names), self.rule
        by_vote = "majority" if rule == "reviewer_wins" and not any(self._was_reviewed(self._row(box)) for box in boxes) else rule
        name = rule if by_vote == rule else f"{rule}: nobody reviewed it; {by_vote}"
        if sitting.is_whole and (
            (by_vote == "majority" and 2 * len(boxes) < people) or (by_vote == "intersection" and len(boxes) < people)
        ):
            self._set_aside(boxes, TOO_FEW, lambda _: f"{name}: {len(boxes)} of {people}")
            return
        if len(boxes) == 1:
            return
        classes = Counter(self._class(box) for box in boxes)
        if by_vote == "intersection" and len(classes) > 1:
            self._set_aside(boxes, OTHER_CLASS, lambda _: f"{name}: classes {', '.join(sorted(classes))}")
            return
        best = self._best(boxes, classes, by_vote)
        winner = self._class(best)
        others = [box for box in boxes if self._class(box) != winner]
        self._set_aside(
            others, OTHER_CLASS,
            lambda box: f"{name}: class {self._class(box)} by {classes[self._class(box)]} of {len(boxes)}, {winner} stands",
        )  # fmt: skip
        same = [box for box in boxes if box != best and self._class(box) == winner]
        stands = self.annotations[self._row(best)]["annotation_key"]
        self._set_aside(same, OTHER_BOX, lambda _: f"{name}: same object as {stands}, which stands")

    def _best(self, boxes: list[int], classes: Counter[str], by_vote: str) -> int:
        if by_vote in ("newest", "reviewer_wins"):
            return max(boxes, key=lambda box: self._rank(self._row(box)))
        newest = {box: (_time(self.annotations[self._row(box)]["drawn_at"]), box) for box in boxes}
        most = max(classes.values())
        latest = max((box for box in boxes if classes[self._class(box)] == most), key=newest.__getitem__)
        alike = [box for box in boxes if self._class(box) == self._class(latest)]
        return max(alike, key=lambda box: (self.likeness[box], newest[box]))

    def _set_aside(self, boxes: Sequence[int], why: str, said: Callable[[int], str]) -> None:
        self.aside |= {self._row(box): Aside(why, said(box)) for box in boxes}

    def _row(self, box: int) -> int:
        return int(self.drawn.row[box])

    def _class(self, box: int) -> str:
        return self.drawn.classes[int(self.drawn.label[box])]


def _likeness(drawn: Drawn, matches: Matches) -> list[float]:
    """Of each box the overlaps with other people's of its object and class, added up."""
    first, second = matches.first, matches.second
    same = (matches.thing[first] == matches.thing[second]) & (drawn.label[first] == drawn.label[second])
    boxes, overlaps = np.concatenate([first[same], second[same]]), np.tile(matches.iou[same], 2)
    summed: list[float] = np.bincount(boxes, overlaps, minlength=len(drawn)).round(9).tolist()
    return summed


def _time(text: str | None) -> datetime:
    """What is no time is taken to be long ago."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return LONG_AGO
    return found if found.tzinfo else found.replace(tzinfo=UTC)
