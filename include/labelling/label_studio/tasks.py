"""A Label Studio task: whether it is finished, who did it, its pictures with their shapes. Pure, no network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from include.labelling import drawings
from include.labelling.items import NAN, Item, Labelled, Picture, Shape, Status
from include.labelling.label_studio.files import name_of
from include.labelling.label_studio.shapes import Json, Region, regions
from include.labelling.stamps import digest, utc_text

Finished = Literal["labelled", "annotated", "ground_truth", "reviewed"]
TELL_APART = ("id", "updated_at", "was_cancelled", "ground_truth", "reviews")


@dataclass(frozen=True)
class Rule:
    """What the team counts as finished. `annotators`: emails, None: anyone. `people`: number → email; grows as more are known."""

    finished: Finished
    annotators: tuple[str, ...] | None = None
    guideline: str | None = None
    people: dict[int, str] = field(default_factory=dict)

    def counted(self, task: Json) -> list[Json]:
        """The annotations that are finished work."""
        return [
            one for one in task.get("annotations") or []
            if not one.get("was_cancelled")
            and (self.annotators is None or self._person(one.get("completed_by")) in self.annotators)
            and (self.finished != "ground_truth" or one.get("ground_truth"))
            and (self.finished != "reviewed" or (_last_review(one) or {}).get("accepted"))
        ]  # fmt: skip

    def status(self, task: Json) -> Status:
        if self.counted(task):
            return "finished" if self.finished != "labelled" or task.get("is_labeled") else "waiting"
        if made := task.get("annotations") or []:
            return "skipped" if all(one.get("was_cancelled") for one in made) else "waiting"
        # Who annotated it is still named there after all annotations were deleted. So is who posted a prediction: to say `gone`
        # of what was never taken in changes nothing
        return "gone" if task.get("updated_by") and not task.get("drafts") else "waiting"

    def item(self, task: Json) -> Item:
        """`revision` follows annotations and rule, not `updated_at`: that moves with predictions, too."""
        made, status = task.get("annotations") or [], self.status(task)
        skipped = sum(bool(one.get("was_cancelled")) for one in made)
        revision = digest([{key: one.get(key) for key in TELL_APART} for one in made], status)
        state = f"{len(made) - skipped} submitted, {skipped} skipped"
        updated_at = datetime.fromisoformat(task["updated_at"])
        # as text, a tenth of its objects in memory: all that waits is listed before the first of it is taken in
        return Item(f"task-{task['id']}", revision, status, state, updated_at, payload=_to_json(task))

    def labelled(self, task: Json, image_keys: Mapping[str, str]) -> Labelled:
        """`image_keys`: name of each image in the labelling configuration → where in the task's data its file stands."""
        found = [region for one in self.counted(task) for region in regions(one, self._like(task, one))]
        pictures = _pictures(task, image_keys, found)
        strays = tuple(region.shape for region in found if (region.to_name, region.page) not in pictures)
        return Labelled(_to_json(task), self._seen_by(task, pictures.values()), strays)

    def unknown(self, task: Json) -> set[int]:
        """The numbers of people whose email must be asked."""
        reviewers = [review.get("created_by") for one in task.get("annotations") or [] for review in _reviews(one)]
        named = [*reviewers, *(one.get("completed_by") for one in task.get("annotations") or [])]
        return {one for one in named if isinstance(one, int)} - self.people.keys()

    def _person(self, given: Any) -> str | None:
        if isinstance(given, dict):
            return str(given.get("email") or given.get("id"))
        return None if given is None else self.people.get(given, str(given))

    def _seen_by(self, task: Json, pictures: Iterable[Picture]) -> tuple[Picture, ...]:
        """Each annotation is one person's view of the whole task: without a region it says that there is nothing."""
        people = (self._person(one.get("completed_by")) for one in self.counted(task))
        annotators = tuple(dict.fromkeys(person for person in people if person is not None))
        return tuple(replace(picture, annotators=annotators) for picture in pictures)

    def _like(self, task: Json, annotation: Json) -> Shape:
        review = _last_review(annotation) or {}
        return Shape(
            "other", None, drawings.NO_BOX, "", annotator=self._person(annotation.get("completed_by")), job=f"task-{task['id']}",
            drawn_at=utc_text(annotation.get("updated_at") or annotation.get("created_at")), guideline=self.guideline,
            reviewer=self._person(review.get("created_by")), reviewed_at=utc_text(review.get("created_at")),
            attributes='{"ground_truth": true}' if annotation.get("ground_truth") else None,
        )  # fmt: skip


def _to_json(task: Json) -> bytes:
    return json.dumps(task, ensure_ascii=False).encode(errors="replace")


def _pictures(task: Json, image_keys: Mapping[str, str], found: list[Region]) -> dict[tuple[str, int], Picture]:
    """By the name of an image in the labelling configuration, and page of it."""
    pictures: dict[tuple[str, int], Picture] = {}
    for to_name, key in image_keys.items():
        given = task["data"].get(key)
        for page, address in enumerate(given if isinstance(given, list) else [given]):
            shapes = tuple(one.shape for one in found if (one.to_name, one.page) == (to_name, page))
            picture = _picture(task, f"{key}-{page}", address, shapes)
            if any(picture.name == other.name for other in pictures.values()):
                picture = replace(picture, name=f"{key}-{page}/{picture.name}")
            pictures[to_name, page] = picture
    return pictures


def _picture(task: Json, key: str, address: Any, shapes: tuple[Shape, ...]) -> Picture:
    sizes = [(one.get("original_width"), one.get("original_height")) for shape in shapes for one in json.loads(shape.raw)]
    width, height = next((size for size in sizes if all(size)), (NAN, NAN))
    is_told = isinstance(address, str) and bool(address)
    missing = None if is_told else f"the task's data says {address!r:.80} for its image; expected an address"
    name = name_of(address if is_told else "", f"task-{task['id']}/{key}")
    return Picture(name, shapes, {"task": task["id"], "at": address}, missing, float(width), float(height))


def _reviews(annotation: Json) -> list[Json]:
    return [one for one in annotation.get("reviews") or [] if isinstance(one, dict)]


def _last_review(annotation: Json) -> Json | None:
    return max(_reviews(annotation), key=lambda one: str(one.get("created_at")), default=None)
