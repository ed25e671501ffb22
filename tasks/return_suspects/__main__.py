"""Tell annotators which of their labels a champion holds for wrong: only after a person has looked at the report and approved.

    python -m tasks.return_suspects --input review=KEY --output FOLDER --config '{"source": "trees", "kind": "cvat",
        "service": {"url": "…", "project": 3}, "most": 20}'

Reads   a label_review, and the checked labels and batches that its images come from. The token is VISIONLOOP_LABELS_TOKEN.
Writes  a suspect_return card at `labels/<source>/told/<review>.json`. At the service: as return_labels does; CVAT's issue lies
        where the missing box should be.

Killed and run again, nothing is said twice; and no later review says again what one has said of the same place.
Exit 99: nothing to tell this source. Exit 2: the service takes nothing back.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import cache

from include.artifacts import CheckedLabels, LabelBatch, LabelReview, SuspectReturn, Told
from include.artifacts.tables import from_parquet, rows_of
from include.errors import NothingToDo
from include.labelling.giving_back import tell
from include.step.run import StepRun, main
from tasks.return_suspects.config import ReturnSuspects
from tasks.return_suspects.objections import Batch, Row, objections

Step = StepRun[ReturnSuspects]


def give_back(step: Step) -> SuspectReturn:
    """What the service was told. Raises NothingToDo, or ConfigError where it takes nothing back."""
    config = step.config
    review = step.input("review", LabelReview)
    name = step.read_cards["review"][0].md5
    rows, left_out = worth_telling(from_parquet(step.content.get(review.suspects_table)).to_pylist(), config)
    pages = os.environ.get("VISIONLOOP_PAGES")  # where people see what steps write; by hand, nowhere
    page = f"{pages}/artifacts/{review.page}" if pages else None
    said = objections(rows, batches(step), told_before(step, name), config.most, page)
    left_out += said.left_out
    if not said.of:
        raise NothingToDo(f"{config.source}: nothing to tell of {sum(left_out.values())} suspects: {dict(left_out)}")
    answers = tell("return_suspects", config.source, config.kind, config.service, said.of)
    for one in answers:
        step.log.info("%s: %d suspects: %s", one.item, one.objections, one.answer)
    return step.card(
        SuspectReturn, source=config.source, review=name, returned=tuple(answers), told=tuple(said.told), left_out=dict(left_out)
    )


def worth_telling(rows: list[Row], config: ReturnSuspects) -> tuple[list[Row], Counter[str]]:
    """Those of this source that are likely enough; and why the others are not."""
    chosen, left_out = [], Counter[str]()
    for row in rows:
        if row["source"] != config.source:
            left_out["of another source"] += 1
        elif row["checked_labels"] is None:
            left_out["in an image that came without labels of a source"] += 1
        elif row["kind"] not in config.kinds or row["score"] < config.min_score:
            left_out["of a kind or score that is not told"] += 1
        else:
            chosen.append(row)
    return chosen, left_out


def told_before(step: Step, review: str) -> list[Told]:
    """By other reviews; what this one said before it was killed is said again, and found at the service."""
    entries = step.store.list(f"labels/{step.config.source}/told")
    cards = [SuspectReturn.load(step.store, entry.key) for entry in entries if entry.key.endswith(".json")]
    return [one for card in cards if card.review != review for one in card.told]


def batches(step: Step) -> Callable[[str], Batch]:
    """What is known of a card of checked labels, by its address."""

    @cache
    def read(address: str) -> Batch:
        checked = step.card_at("checked", CheckedLabels, address)
        source = checked.source
        batch = step.card_at("batch", LabelBatch, f"labels/{source}/batches/{checked.batch_id}.json")
        items = {delivery.name: delivery.item for delivery in batch.deliveries}
        images = from_parquet(step.content.get(checked.images_table), ["md5", "image_key", "delivery"])
        boxes = from_parquet(step.content.get(checked.annotations_table), ["annotation_key", "annotation_id"])
        return Batch(
            {md5: (items[delivery], key.removeprefix(f"{source}/{delivery}/"))
             for md5, key, delivery in rows_of(images, "md5", "image_key", "delivery")},
            dict(rows_of(boxes, "annotation_key", "annotation_id")),
        )  # fmt: skip

    return read


if __name__ == "__main__":
    main("return_suspects", ReturnSuspects, give_back)
