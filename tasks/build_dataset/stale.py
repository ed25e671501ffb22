"""Batches in the order in which they were made, however late each was validated: a stale one must not win over a newer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from include.artifacts import CheckedLabels, DatasetVersion, LabelBatch
from include.step.run import StepRun
from include.storage.content import in_threads
from include.versions.contents import Contents
from tasks.build_dataset.config import BuildDataset
from tasks.build_dataset.merge import Checked


def made_at(step: StepRun[BuildDataset], card: CheckedLabels) -> datetime:
    """When its batch was taken in; of labels without a batch, when they were checked."""
    address = f"labels/{card.source}/batches/{card.batch_id}.json"
    came = LabelBatch.load(step.store, address) if step.store.exists(address) else card
    return came.made_by.ended_at


def in_order(step: StepRun[BuildDataset], cards: Iterable[CheckedLabels]) -> list[CheckedLabels]:
    """The oldest batch first."""
    cards = list(cards)
    times = in_threads(lambda card: made_at(step, card), cards)
    order = sorted(zip(times, (card.standing_address for card in cards), cards, strict=True), key=lambda one: one[:2])
    return [card for _, _, card in order]


def without_stale(
    step: StepRun[BuildDataset], checked: Checked, card: CheckedLabels, parent: DatasetVersion | None, before: Contents
) -> Checked:
    """`checked` without what newer batches, which the parent has already, replaced, took back or labelled again."""
    if parent is None or (taken_in_at := made_at(step, card)) >= parent.made_by.started_at:
        return checked  # nearly always: nothing that the parent has can know of this batch
    had = in_threads(lambda address: CheckedLabels.load(step.store, address), list(parent.checked_labels))
    newer = [one for one in had if made_at(step, one) > taken_in_at]
    replaced = {name for one in newer if one.source == card.source for name in one.supersedes.get(card.batch_id, ())}
    images = before.images
    again = images["md5"][images["checked_labels"].isin([one.standing_address for one in newer])]
    is_stale = pc.or_(_is_in(checked.images["delivery"], replaced), _is_in(checked.images["md5"], again))
    stale = checked.images.filter(is_stale)
    if not stale.num_rows:
        return checked
    step.log.info("%s: %d images left out: newer batches have them", checked.address, stale.num_rows)
    of_stale = _is_in(checked.annotations["image_key"], stale["image_key"].to_pylist())
    return replace(
        checked, images=checked.images.filter(pc.invert(is_stale)), annotations=checked.annotations.filter(pc.invert(of_stale))
    )


def _is_in(column: pa.ChunkedArray, values: Iterable[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(list(values), pa.string()))
