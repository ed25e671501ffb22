from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel

from include.champion import frozen_champion
from include.lineage import Champion, Lineage
from include.step.plate import read_plate
from include.step.run import Identity, StepRun
from include.storage import Store, open_store


class Nothing(BaseModel):
    pass


class Registry:
    def __init__(self, champion: Champion | None) -> None:
        self.now = champion

    def champion(self, model: str) -> Champion | None:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}")


def step(store: Store, name: str, run: str = "r1") -> StepRun[Any]:
    who = Identity("model__trees", run, name, "a test", "c", "e", "process")
    return StepRun(read_plate(name), Nothing(), {}, f"runs/model__trees/{run}/{name}", store, who)


def ask(step: StepRun[Any], registry: Registry) -> Champion | None:
    return frozen_champion(step, "trees", cast(Lineage, registry))


@pytest.mark.parametrize("first", [Champion("1", "runs/a/card.json"), None], ids=["somebody", "nobody"])
def test_champion_of_a_run_stays_the_same_for_all_its_steps(store: Store, first: Champion | None) -> None:
    registry = Registry(first)
    assert ask(step(store, "train_detector"), registry) == first
    registry.now = Champion("2", "runs/b/card.json")
    assert ask(step(store, "evaluate_model"), registry) == first
    assert ask(step(store, "train_detector", run="r2"), registry) == registry.now


def test_frozen_champion_is_readable_by_people(store: Store) -> None:
    ask(step(store, "train_detector"), Registry(Champion("1", "runs/a/card.json")))
    assert store.read("runs/model__trees/r1/frozen/model___trees_champion") == b'{"version": "1", "bundle": "runs/a/card.json"}'
