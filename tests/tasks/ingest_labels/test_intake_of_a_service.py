"""What a service finished is taken in once, whatever the service, the network and the machine do meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import LabelBatch
from include.artifacts.tables import from_parquet
from include.errors import BadInputError, NothingToDo, Unavailable
from include.labelling.ledger import Ledger
from include.step.run import StepRun, publish
from include.storage import ContentStore, Store, open_store
from include.storage.content import md5_of
from tasks.ingest_labels import __main__ as step_module
from tasks.ingest_labels.config import IngestLabels
from tests.deliveries import picture
from tests.dying_store import DyingStore, Killed
from tests.memory_service import Box, MemoryService

Make = Callable[..., StepRun[Any]]
Take = Callable[..., LabelBatch]
CONFIG = {"source": "trees", "prefix": "stands/for/a/service", "list_all_every_h": 20}
A, B = (4.0, 4.0, 20.0, 16.0), (30.0, 10.0, 8.0, 8.0)


@pytest.fixture
def service() -> MemoryService:
    service = MemoryService()
    service.finish("job-1", {"1": [A], "2": [A, B]})
    service.finish("job-2", {"3": [B]}, state="in progress")
    return service


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch, step_run: Make, service: MemoryService, tmp_path: Path) -> Take:
    """Runs the step once, as the DAG run `run`."""

    def take(run: str, store: Store | None = None, **config: Any) -> LabelBatch:
        monkeypatch.setattr(step_module, "open_source", lambda *_: service)
        step = step_run("ingest_labels", IngestLabels.model_validate({**CONFIG, **config}), store or the_store(tmp_path), {}, run)
        batch = publish(step.store, step_module.ingest(step), step.output)
        step_module.settle(step, batch)
        return batch

    return take


def the_store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/store")


def standing(store: Store) -> dict[str, list[Box]]:
    """Boxes by the md5 of their picture, as the batches say them, one after the other: what a dataset would hold."""
    content, by_delivery = ContentStore(store), {}
    for batch in Ledger(store, "trees").batches:
        for names in batch.supersedes.values():
            for name in names:
                by_delivery.pop(name, None)
        images = {row["image_key"]: row for row in from_parquet(content.get(batch.images_table)).to_pylist()}
        for row in images.values():
            by_delivery.setdefault(row["delivery"], {}).setdefault(row["md5"], [])
        for row in from_parquet(content.get(batch.annotations_table)).to_pylist():
            image = images[row["image_key"]]
            by_delivery[image["delivery"]][image["md5"]].append(
                tuple(row[one] for one in ("x_px", "y_px", "width_px", "height_px"))
            )
    return {md5: boxes for delivery in by_delivery.values() for md5, boxes in delivery.items()}


def md5(seed: int) -> str:
    return md5_of(picture(seed))


def test_only_finished_work_is_taken_in(take: Take, tmp_path: Path) -> None:
    batch = take("r1")
    assert [(one.item, one.images, one.annotations) for one in batch.deliveries] == [("job-1", 2, 3)]
    assert standing(the_store(tmp_path)) == {md5(1): [A], md5(2): [A, B]}
    seen = Ledger(the_store(tmp_path), "trees").seen
    assert {item: one.status for item, one in seen.items()} == {"job-1": "finished", "job-2": "waiting"}


def test_finished_later_is_taken_in_later(take: Take, service: MemoryService, tmp_path: Path) -> None:
    take("r1")
    with pytest.raises(NothingToDo, match="1 batches are in the ledger"):
        take("r2")
    service.set_state("job-2", "completed")
    assert [one.item for one in take("r3").deliveries] == ["job-2"]
    assert standing(the_store(tmp_path)) == {md5(1): [A], md5(2): [A, B], md5(3): [B]}


def test_corrected_job_replaces_what_it_was_and_reopened_one_waits(take: Take, service: MemoryService, tmp_path: Path) -> None:
    first = take("r1")
    service.set_state("job-1", "in progress")
    with pytest.raises(NothingToDo):
        take("r2")
    service.finish("job-1", {"2": [B]})  # picture 1 is no longer in the job
    second = take("r3")
    assert second.supersedes == {first.batch_id: ("job-1",)}
    assert standing(the_store(tmp_path)) == {md5(2): [B]}


def test_deleted_job_is_withdrawn_at_the_next_whole_listing(take: Take, service: MemoryService, tmp_path: Path) -> None:
    service.set_state("job-2", "completed")
    first = take("r1")
    service.delete("job-2")
    with pytest.raises(NothingToDo):
        take("r2")  # deletions are looked for once a night
    batch = take("r3", list_all_every_h=1e-9)
    assert [(one.item, one.is_gone) for one in batch.deliveries] == [("job-2", True)]
    assert batch.supersedes == {first.batch_id: ("job-2",)}
    with pytest.raises(NothingToDo):
        take("r4", list_all_every_h=1e-9)
    service.finish("job-2", {"3": [B]})
    take("r5")
    assert standing(the_store(tmp_path)) == {md5(1): [A], md5(2): [A, B], md5(3): [B]}


def test_deletions_can_be_ignored(take: Take, service: MemoryService, caplog: pytest.LogCaptureFixture) -> None:
    service.set_state("job-2", "completed")
    take("r1")
    service.delete("job-2")
    with pytest.raises(NothingToDo):
        take("r2", list_all_every_h=1e-9, deleted="keep")
    assert "1 items were deleted at the service, their labels are kept: job-2" in caplog.text


def test_emptied_service_is_an_error_and_withdraws_nothing(take: Take, service: MemoryService, tmp_path: Path) -> None:
    service.set_state("job-2", "completed")
    take("r1")
    service.jobs.clear()
    service.finish("job-9", {"9": [A]})
    with pytest.raises(
        BadInputError, match=r"2 of 2 items taken in are gone at the service \(job-1, job-2\); expected at most 50%"
    ):
        take("r2", list_all_every_h=1e-9)
    assert standing(the_store(tmp_path)) == {md5(1): [A], md5(2): [A, B], md5(3): [B]}


def test_unreadable_job_does_not_hold_up_the_others(take: Take, service: MemoryService) -> None:
    service.finish("job-3", {"unreadable": [A]})
    batch = take("r1")
    assert {one.item: one.refused for one in batch.deliveries} == {"job-1": None, "job-3": "got nonsense, expected labels"}
    with pytest.raises(NothingToDo):
        take("r2")  # until it changes
    service.finish("job-3", {"3": [B]})
    assert [one.item for one in take("r3").deliveries] == ["job-3"]


def test_silent_image_host_holds_up_its_own_job_alone(
    take: Take, service: MemoryService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service.finish("job-3", {"8": [A], "9": [A]})
    service.finish("job-4", {"4": [B]})
    service.silent = {9}
    assert [one.item for one in take("r1", overlap_s=0).deliveries] == ["job-1", "job-4"]
    assert "job-3: left out of this batch, and waits for another: https://dead.example/9.png: ConnectError" in caplog.text
    service.set_state("job-2", "completed")
    assert [one.item for one in take("r2", overlap_s=0).deliveries] == ["job-2"]
    service.silent = set()
    assert [one.item for one in take("r3", overlap_s=0).deliveries] == ["job-3"]
    assert standing(the_store(tmp_path)) == {md5(1): [A], md5(2): [A, B], md5(3): [B], md5(4): [B], md5(8): [A], md5(9): [A]}
    with pytest.raises(NothingToDo):
        take("r4", overlap_s=0)


def test_job_left_out_of_a_whole_listing_is_listed_again_though_it_is_old(take: Take, service: MemoryService) -> None:
    service.finish("job-3", {"9": [A]})
    service.finish("job-4", {"4": [B]})
    service.set_state("job-3", "in progress")
    take("r1", overlap_s=0)  # the cursor is beyond the time that job-3 will have
    service.jobs["job-3"].state, service.jobs["job-3"].changed_at = "completed", service.jobs["job-1"].changed_at
    service.set_state("job-2", "completed")
    service.silent = {9}
    take("r2", overlap_s=0, list_all_every_h=1e-9)
    service.silent = set()
    assert [one.item for one in take("r3", overlap_s=0).deliveries] == ["job-3"]


def test_outage_is_an_error_that_changes_nothing(take: Take, service: MemoryService, tmp_path: Path) -> None:
    service.silent = {1, 2}
    with pytest.raises(Unavailable, match=r"none of 1 items could be taken in; job-1: https://dead\.example/"):
        take("r1")
    assert Ledger(the_store(tmp_path), "trees").batches == []
    assert Ledger(the_store(tmp_path), "trees").cursor is None
    service.silent = set()
    assert [one.item for one in take("r1").deliveries] == ["job-1"]


def test_missing_picture_is_named_and_kept(take: Take, service: MemoryService, tmp_path: Path) -> None:
    service.finish("job-1", {"404": [A]})
    rows = from_parquet(ContentStore(the_store(tmp_path)).get(take("r1").images_table)).to_pylist()
    assert [(row["md5"], row["missing"]) for row in rows] == [(None, "no such image")]


def test_late_change_within_the_overlap_is_not_missed(take: Take, service: MemoryService) -> None:
    """A service shows a change only after others that are newer by its clock."""
    take("r1")
    hidden_at = service.now - timedelta(seconds=30)
    service.finish("job-3", {"5": [A]})
    take("r2")
    service.finish("job-4", {"6": [A]})
    service.jobs["job-4"].changed_at = hidden_at
    assert [one.item for one in take("r3").deliveries] == ["job-4"]


def test_small_change_costs_little(take: Take, service: MemoryService) -> None:
    for number in range(100):
        service.finish(f"job-{number}", {str(number): [A]})
        service.now += timedelta(hours=1)
    service.calls = 0
    take("r1")
    whole, service.calls = service.calls, 0
    service.finish("job-50", {"50": [B]})
    take("r2")
    assert (whole, service.calls) == (1 + 1 + 100 + 100, 3)  # list, existing, and an answer and an image for each; list, one each


@pytest.mark.parametrize("seed", range(5))
def test_repeated_and_shuffled_pages_change_nothing(take: Take, service: MemoryService, tmp_path: Path, seed: int) -> None:
    service.seed = seed
    for number in range(3, 9):
        service.finish(f"job-{number}", {str(number + 10): [A]})
    assert len(take("r1").deliveries) == 7
    with pytest.raises(NothingToDo):
        take("r2")
    assert len(standing(the_store(tmp_path))) == 8


def test_two_runs_that_see_the_same_make_one_batch(
    take: Take, step_run: Make, service: MemoryService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_module, "open_source", lambda *_: service)
    steps = [step_run("ingest_labels", IngestLabels.model_validate(CONFIG), the_store(tmp_path), {}, run) for run in ("r1", "r2")]
    made = [step_module.ingest(step) for step in steps]  # both before either is published
    stands = [publish(step.store, batch, step.output) for step, batch in zip(steps, made, strict=True)]
    assert stands[0] == stands[1]
    assert len(list(the_store(tmp_path).list("labels/trees/batches"))) == 1


EXPECTED = {md5(1): [B], md5(7): [A]}


def test_crash_at_any_point_loses_and_doubles_nothing(take: Take, service: MemoryService, tmp_path: Path) -> None:
    """The step dies at its n-th call to the service or its n-th write, in each of three nights, and is started again."""
    points = 0
    for dying in ("service", "store"):
        for steps_left in range(200):
            service.__dict__ |= MemoryService().__dict__
            service.finish("job-1", {"1": [A], "2": [A, B]})
            service.finish("job-2", {"3": [B]}, state="in progress")
            points += 1
            url = f"file://{tmp_path}/{dying}-{steps_left}"
            survived = True
            for night, change in enumerate((lambda: service.set_state("job-2", "completed"),
                                            lambda: service.finish("job-1", {"1": [B], "7": [A]}),
                                            lambda: service.delete("job-2"))):  # fmt: skip
                change()
                service.calls_left = steps_left if dying == "service" else None
                store = DyingStore(url, steps_left) if dying == "store" else open_store(url)
                # the second night lists only what is new: a cursor that moved too early would lose the correction
                config = {"overlap_s": 0, "list_all_every_h": 1e-9 if night == 2 else 20}
                try:
                    take(f"n{night}", store, **config)
                except Killed:
                    survived = False
                    service.calls_left = None
                    take(f"n{night}", open_store(url), **config)  # Airflow's retry
                service.calls_left = None
            assert standing(open_store(url)) == EXPECTED, (dying, steps_left)
            taken = [
                (one.item, one.revision, one.is_gone)
                for batch in Ledger(open_store(url), "trees").batches
                for one in batch.deliveries
            ]
            assert len(taken) == len(set(taken)) == 4, "nothing twice"
            if survived:
                break
        else:
            pytest.fail("never came to its end")
    assert points > 15
