"""A batch that was validated late, after one that corrects it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from include.artifacts import CheckedLabels, LabelBatch
from include.errors import NothingToDo


def taken_in(datasets: Any, card: CheckedLabels, minute: int) -> None:
    """The batch that the labels are of, as ingest_labels made it."""
    made_by = datasets.made_by.model_copy(update={"ended_at": datasets.made_by.ended_at + timedelta(minutes=minute)})
    batch = LabelBatch(
        made_by=made_by, inputs={}, config={}, source=card.source, batch_id=card.batch_id, deliveries=(), images_table="a" * 32,
        annotations_table="a" * 32, images=1, annotations=1,
    )  # fmt: skip
    datasets.store.create(batch.standing_address, batch.to_bytes())


@pytest.fixture
def late(datasets: Any) -> tuple[CheckedLabels, CheckedLabels]:
    """The older batch, of pictures 1 and 2, and the one that corrects it: picture 1 has three boxes, picture 2 is gone."""
    older = datasets.check([1, 2], delivery="d")
    newer = datasets.check([1], delivery="d", boxes=3, corrects=[older])
    taken_in(datasets, older, 0)
    taken_in(datasets, newer, 5)
    datasets.store.delete(older.standing_address)
    made_by = older.made_by.model_copy(update={"ended_at": newer.made_by.ended_at + timedelta(hours=1)})
    return older.model_copy(update={"made_by": made_by}), newer


def test_stale_batch_that_is_validated_after_the_newer_was_built_changes_nothing(datasets: Any, late: Any) -> None:
    older, newer = late
    version = datasets.build("r1")
    assert (version.checked_labels, len(datasets.annotations(version))) == ((newer.standing_address,), 3)
    datasets.store.create(older.standing_address, older.to_bytes())
    with pytest.raises(NothingToDo, match="nothing changed"):
        datasets.build("r2")


def test_stale_batch_that_is_validated_after_the_newer_is_put_before_it(datasets: Any, late: Any) -> None:
    older, newer = late
    datasets.store.create(older.standing_address, older.to_bytes())
    version = datasets.build("r1")
    assert version.checked_labels == (older.standing_address, newer.standing_address)
    assert (len(datasets.images(version)), len(datasets.annotations(version))) == (1, 3)


def test_what_only_the_stale_batch_has_is_taken(datasets: Any) -> None:
    older = datasets.check([1, 2], delivery="d1")
    newer = datasets.check([1], delivery="d2", boxes=3)
    taken_in(datasets, older, 0)
    taken_in(datasets, newer, 5)
    datasets.store.delete(older.standing_address)
    assert len(datasets.annotations(datasets.build("r1"))) == 3
    datasets.store.create(older.standing_address, older.to_bytes())
    version = datasets.build("r2")
    assert (len(datasets.images(version)), len(datasets.annotations(version))) == (
        2,
        4,
    )  # picture 1 as the newer batch has it, picture 2 with its box
