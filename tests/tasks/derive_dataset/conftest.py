"""A store with versions to derive from, made of plain rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from include.artifacts import DatasetVersion
from include.step.run import StepRun
from include.storage import Store
from include.versions.derive import DeriveDataset, derive
from tests.versions import put_version


@pytest.fixture
def trees(store: Store) -> DatasetVersion:
    """trees:v1: four images of two sites, five boxes by two people."""
    images = [
        {"relpath": f"images/{name}.png", "group": name, "split": split, "attributes": {"site": site, "camera": 7}}
        for name, split, site in [("a", "train", "north"), ("b", "train", "south"), ("c", "val", "north"), ("d", "test", "south")]
    ]
    boxes = [
        {"image": "images/a.png", "class_name": "Tree", "box": (1, 2, 10, 10), "annotator": "ann"},
        {"image": "images/a.png", "class_name": "Bush", "box": (20, 20, 30, 8), "annotator": "bob"},
        {"image": "images/b.png", "class_name": "Tree", "box": (5, 5, 6, 6), "annotator": "ann"},
        {"image": "images/c.png", "class_name": "Tree", "box": (0, 0, 64, 48), "annotator": "bob"},
        {"image": "images/d.png", "class_name": "Bush", "box": (9, 9, 12, 12), "annotator": None},
    ]
    return put_version(store, "trees", ("Tree", "Bush"), images, boxes)


@pytest.fixture
def derived(store: Store, step_run: Callable[..., StepRun[Any]]) -> Callable[..., DatasetVersion]:
    """Run the step: `derived({"operation": …}, parents="dataset://trees:v1", name="trees")`."""

    def make(do: dict[str, Any], parents: str = "dataset://trees:v1", name: str = "trees", run: str = "r1") -> DatasetVersion:
        config = DeriveDataset.model_validate({"name": name, "do": do})
        return derive(step_run("derive_dataset", config, store, {"parents": parents}, run=run))

    return make
