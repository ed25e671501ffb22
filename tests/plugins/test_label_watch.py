"""The watcher of a source: what wakes a run, what does not, and what outlives the triggerer."""

import asyncio
from datetime import timedelta

import pytest

from include.labelling.wakes import wake
from include.storage import open_store
from tests.memory_service import MemoryService
from visionloop_airflow import label_watch
from visionloop_airflow.label_watch import FinishedWork

A = (4.0, 4.0, 20.0, 16.0)


class AssetState(dict):
    """The asset state store, as far as it is used: it outlives the trigger."""

    async def aget(self, key, default=None):
        return self.get(key, default)

    async def aset(self, key, value):
        self[key] = value


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def service(store, monkeypatch):
    service = MemoryService()
    monkeypatch.setattr(label_watch, "open_source", lambda *_: service)
    return service


def watch(state, poll_every_s=0.02, min_new_images=1, max_wait_s=3600.0):
    trigger = FinishedWork("cells", "coco", "inbox/cells", None, poll_every_s, min_new_images, max_wait_s)
    trigger.asset_state_store = state
    return trigger


async def events(trigger, seconds=0.6, meanwhile=lambda: None):
    """What the trigger fires in a while."""
    found = []

    async def collect():
        async for event in trigger.run():
            found.append(event.payload)

    task = asyncio.create_task(collect())
    await asyncio.sleep(seconds / 2)
    meanwhile()
    await asyncio.sleep(seconds / 2)
    assert not task.done(), "the watch goes on"
    task.cancel()
    return found


def fired(trigger, meanwhile=lambda: None, seconds=0.6):
    return asyncio.run(events(trigger, seconds, meanwhile))


def test_finished_work_wakes_once(service):
    found = fired(watch(AssetState()), lambda: service.finish("job-1", {"1": [A], "2": [A]}))
    assert found == [{"source": "cells", "items": ["job-1"], "count": 1, "images": 2}]


def test_unfinished_work_wakes_nobody(service):
    service.finish("job-1", {"1": [A]}, state="in progress")
    assert fired(watch(AssetState())) == []


def test_restarted_triggerer_does_not_wake_again_for_what_it_saw(service):
    state = AssetState()
    service.finish("job-1", {"1": [A]})
    assert len(fired(watch(state))) == 1
    assert fired(watch(state)) == []
    service.finish("job-2", {"2": [A]})
    assert [one["items"] for one in fired(watch(state))] == [["job-1", "job-2"]]


def test_corrected_work_wakes_again(service):
    service.finish("job-1", {"1": [A]})
    assert len(fired(watch(AssetState()), lambda: service.finish("job-1", {"1": []}))) == 2


def test_fifty_small_jobs_start_one_run(service):
    def finish_fifty():
        for number in range(50):
            service.finish(f"job-{number}", {str(number): [A]})

    service.finish("job-a", {"a1": [A]})
    found = fired(watch(AssetState(), min_new_images=51), finish_fifty)
    assert [(one["count"], one["images"]) for one in found] == [(51, 51)]


def test_finished_work_without_an_image_wakes_too(service):
    service.finish("job-1", {})
    assert [one["images"] for one in fired(watch(AssetState()))] == [0]


def test_few_images_wait_no_longer_than_they_may(service):
    service.finish("job-1", {"1": [A]})
    assert fired(watch(AssetState(), min_new_images=100)) == []
    assert len(fired(watch(AssetState(), min_new_images=100, max_wait_s=0.2))) == 1


def test_waiting_time_outlives_the_triggerer(service):
    state = AssetState()
    service.finish("job-1", {"1": [A]})
    assert fired(watch(state, min_new_images=100, max_wait_s=0.7)) == []  # half a second of waiting
    assert len(fired(watch(state, min_new_images=100, max_wait_s=0.7), seconds=0.3)) == 1


def test_outage_of_the_service_does_not_end_the_watch(service, monkeypatch):
    whole, calls = service.items, []

    def flaky(since):
        calls.append(1)
        if len(calls) < 4:
            raise OSError("connection refused")
        return whole(since)

    monkeypatch.setattr(service, "items", flaky)
    service.finish("job-1", {"1": [A]})
    assert len(fired(watch(AssetState()))) == 1


def test_webhook_wakes_a_watcher_that_polls_seldom(service, store, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_WEBHOOK_SECRET__CELLS", "s")
    monkeypatch.setattr("visionloop_airflow.wake_up.LOOK_EVERY_S", 0.05)

    def finish():
        service.finish("job-1", {"1": [A]})
        wake(store, "cells")

    assert len(fired(watch(AssetState(), poll_every_s=600), finish, seconds=1.5)) == 1
    assert service.calls == 2, "at the start, and when it was woken"


def test_lost_webhook_costs_a_poll_interval(service, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_WEBHOOK_SECRET__CELLS", "s")
    found = fired(watch(AssetState(), poll_every_s=0.3), lambda: service.finish("job-1", {"1": [A]}), seconds=1.2)
    assert len(found) == 1


def test_watcher_looks_back_from_where_the_last_batch_ended(service, store):
    from include.labelling.ledger import Cursor, Ledger

    service.finish("job-1", {"1": [A]})
    since = []
    whole = service.items
    service.items = lambda at: since.append(at) or whole(at)
    Ledger(store, "cells").move_cursor(Cursor(service.now, service.now, "a rule"))
    fired(watch(AssetState()))
    assert since[0] == service.now - timedelta(minutes=10)


def test_trigger_is_made_again_from_what_it_says_of_itself():
    path, kwargs = watch(AssetState()).serialize()
    assert path == "visionloop_airflow.label_watch.FinishedWork"
    again = FinishedWork(**kwargs)
    assert again.serialize() == (path, kwargs)
