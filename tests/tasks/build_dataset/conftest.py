"""Checked labels without the steps that make them: tests say which image has which boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from include.artifacts import CheckedLabels, DatasetVersion
from include.artifacts.base import MadeBy
from include.artifacts.tables import ANNOTATIONS, FINDINGS, IMAGES, from_parquet, to_parquet
from include.step.run import StepRun, publish
from include.storage import ContentStore, Store
from tasks.build_dataset.__main__ import build
from tasks.build_dataset.config import BuildDataset
from tests.deliveries import picture

CONFIG: dict[str, Any] = {"name": "trees", "classes": ["Tree"], "split": {"train": 0.5, "val": 0.25, "test": 0.25}}


@dataclass
class Datasets:
    """A store, and the two things that tests do to it."""

    store: Store
    made_by: MadeBy
    step_run: Callable[..., StepRun[Any]]
    batches: int = 0

    def check(
        self, seeds: Sequence[int], groups: dict[int, str] | None = None, boxes: int = 1, name: str = "{seed}.png",
        class_name: str = "Tree", source: str = "trees", delivery: str | None = None, corrects: Sequence[CheckedLabels] = (),
        phash: str | None = None, brightness: float | None = None,
    ) -> CheckedLabels:  # fmt: skip
        """A card of one image per seed, each with so many boxes. `corrects`: cards whose `delivery` it supersedes."""
        self.batches += 1
        content = ContentStore(self.store)
        called = delivery or f"d{self.batches}"
        keys = {seed: f"{source}/{called}/{name.format(seed=seed)}" for seed in seeds}
        images = [
            {"image_key": keys[seed], "md5": content.put(picture(seed)), "size_bytes": len(picture(seed)), "width_px": 64.0,
             "height_px": 48.0, "group": (groups or {}).get(seed), "delivery": called,
             "phash": phash, "brightness": brightness}
            for seed in seeds
        ]  # fmt: skip
        annotations = [
            {"annotation_key": f"{called}#{n}", "image_key": keys[seed], "class_name": class_name, "x_px": float(n % 30),
             "y_px": 2.5, "width_px": 10.0, "height_px": 8.0, "is_crowd": False, "raw": "{}"}
            for n, seed in enumerate(seed for seed in seeds for _ in range(boxes))
        ]  # fmt: skip
        rows = ((images, IMAGES), (annotations, ANNOTATIONS), ([], FINDINGS))
        tables = [content.put(to_parquet(pa.Table.from_pylist(one, schema))) for one, schema in rows]
        card = CheckedLabels(
            made_by=self.made_by.model_copy(update={"ended_at": self.made_by.ended_at + timedelta(minutes=self.batches)}),
            inputs={}, config={}, source=source, batch_id=f"{self.batches:012x}", images_table=tables[0],
            annotations_table=tables[1], findings_table=tables[2], images_accepted=len(images), images_rejected=0,
            annotations_accepted=len(annotations), annotations_rejected=0, rejected_by_rule={}, data_docs="",
            supersedes={card.batch_id: (called,) for card in corrects},
        )  # fmt: skip
        self.store.create(card.standing_address, card.to_bytes())
        return card

    def step(self, run: str, labels: str = "labels/trees/checked", store: Store | None = None, **config: Any) -> StepRun[Any]:
        parsed = BuildDataset.model_validate({**CONFIG, **config})
        return self.step_run("build_dataset", parsed, store or self.store, {"labels": labels}, run)

    def build(self, run: str, store: Store | None = None, **how: Any) -> DatasetVersion:
        step = self.step(run, store=store, **how)
        return publish(step.store, build(step), step.output)

    def images(self, version: DatasetVersion) -> list[dict[str, Any]]:
        return list(from_parquet(ContentStore(self.store).get(version.images_table)).to_pylist())

    def annotations(self, version: DatasetVersion) -> list[dict[str, Any]]:
        return list(from_parquet(ContentStore(self.store).get(version.annotations_table)).to_pylist())


@pytest.fixture
def datasets(store: Store, made_by: MadeBy, step_run: Callable[..., StepRun[Any]]) -> Datasets:
    return Datasets(store, made_by, step_run)
