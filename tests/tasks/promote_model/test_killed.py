"""A promoter killed between any two of its writes, and run again: the same end as if it had never been killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from include.artifacts import Promotion
from include.lineage import Lineage
from include.step.run import publish
from include.storage import Store, open_store
from tasks.promote_model.__main__ import work

WRITES = ("create_", "set_", "delete_")


class Killed(BaseException):
    """As SIGKILL: nothing catches it."""


class Fuse:
    """Kills just before or just after the write number `at` / 2."""

    def __init__(self, at: int) -> None:
        self.left = at

    def around(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.burn()
            result = write(*args, **kwargs)
            self.burn()
            return result

        return guarded

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


class KillableStore(Store):
    def __init__(self, store: Store, fuse: Fuse) -> None:
        super().__init__(store.url, store.backend)
        self.create = fuse.around(super().create)  # type: ignore[method-assign]


class KillableClient:
    """An MLflow client whose every write may be the last."""

    def __init__(self, client: Any, fuse: Fuse) -> None:
        self._client, self._fuse = client, fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return self._fuse.around(method) if name.startswith(WRITES) else method


def killable(lineage: Any, fuse: Fuse) -> Any:
    if hasattr(lineage, "versions"):  # the one in memory
        for name in ("register", "tag_version", "set_champion"):
            setattr(lineage, name, fuse.around(getattr(type(lineage), name).__get__(lineage)))
        return lineage
    other = Lineage(lineage.uri)
    other.client = KillableClient(lineage.client, fuse)  # type: ignore[assignment]
    return other


def until_not_killed(promote: Callable[[Fuse, int], None]) -> int:
    """Runs `promote` with the fuse at 1, 2, … until it comes through; returns how often it was killed."""
    for at in range(1, 100):
        try:
            promote(Fuse(at), at)
        except Killed:
            continue
        return at - 1
    pytest.fail("killed a hundred times")


def test_killed_anywhere_and_run_again(tmp_path: Path, lineage: Any, put_cards: Any, promotion_step: Any) -> None:
    in_memory = type(lineage)

    def promote(fuse: Fuse, at: int) -> None:
        lineage = in_memory()
        store = open_store(f"file://{tmp_path}/{at}")
        inputs = put_cards(store)
        try:
            killed = promotion_step(KillableStore(store, fuse), inputs)
            publish(killed.store, work(killed, killable(lineage, fuse)), killed.output)
        finally:
            fuse.left = -1
            again = promotion_step(store, inputs)
            card = publish(store, work(again, lineage), again.output)
            assert (len(lineage.versions), lineage.alias) == (1, "1")
            assert [entry.key for entry in store.list("models")] == ["models/trees/promotions/1.json"]
            assert Promotion.load(store, "models/trees/promotions/1.json") == card
            assert lineage.versions[0]["visionloop.decision"] == "promoted"

    assert until_not_killed(promote) == 12  # before and after each of six writes


@pytest.mark.integration
def test_killed_anywhere_and_run_again_with_a_real_mlflow(
    tmp_path: Path, mlflow_server: str, put_cards: Any, promotion_step: Any
) -> None:
    client = MlflowClient(mlflow_server)
    experiment = client.create_experiment("killed promotions")

    def promote(fuse: Fuse, at: int) -> None:
        model, store = f"killed-{at}", open_store(f"file://{tmp_path}/{at}")
        inputs = put_cards(store, model=model, mlflow_run_id=client.create_run(experiment).info.run_id)
        lineage = Lineage(mlflow_server)
        try:
            killed = promotion_step(KillableStore(store, fuse), inputs)
            publish(killed.store, work(killed, killable(lineage, fuse)), killed.output)
        finally:
            again = promotion_step(store, inputs)
            card = publish(store, work(again, lineage), again.output)
            (version,) = client.search_model_versions(f"name = '{model}'")
            assert str(client.get_model_version_by_alias(model, "champion").version) == version.version == card.champion_after
            assert [entry.key for entry in store.list("models")] == [f"models/{model}/promotions/1.json"]
            assert version.tags["visionloop.decision"] == "promoted"
            assert version.tags["visionloop.dataset"] == "trees:v1"

    assert until_not_killed(promote) == 16  # before and after each of eight writes
