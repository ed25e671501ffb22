import asyncio

import pytest

from include.storage import open_store
from visionloop_airflow.label_watch import NewDeliveries


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


def watch(state):
    trigger = NewDeliveries("cells", "inbox/cells", 0.02)
    trigger.asset_state_store = state
    return trigger


async def events(trigger, seconds=2, meanwhile=None):
    """What the trigger fires in a while."""
    found = []

    async def collect():
        async for event in trigger.run():
            found.append(event.payload)

    task = asyncio.create_task(collect())
    await asyncio.sleep(seconds / 2)
    if meanwhile:
        meanwhile()
    await asyncio.sleep(seconds / 2)
    task.cancel()
    return found


def test_a_delivery_wakes_once_when_it_is_complete(store):
    store.write("inbox/cells/d1/images/a.png", b"x")
    found = asyncio.run(events(watch(AssetState()), meanwhile=lambda: store.write("inbox/cells/d1/annotations.json", b"{}")))
    assert found == [{"source": "cells", "deliveries": ["inbox/cells/d1/annotations.json"], "count": 1}]


def test_an_empty_source_wakes_nobody(store):
    assert asyncio.run(events(watch(AssetState()))) == []


def test_a_restarted_triggerer_does_not_wake_again_for_what_it_saw(store):
    state = AssetState()
    store.write("inbox/cells/d1/annotations.json", b"{}")
    assert len(asyncio.run(events(watch(state)))) == 1
    assert asyncio.run(events(watch(state))) == []
    store.write("inbox/cells/d2/annotations.json", b"{}")
    assert len(asyncio.run(events(watch(state)))) == 1


def test_a_corrected_delivery_wakes_again(store):
    state = AssetState()
    store.write("inbox/cells/d1/annotations.json", b"{}")
    correct = lambda: store.write("inbox/cells/d1/annotations.json", b'{"images": []}')  # noqa: E731
    assert len(asyncio.run(events(watch(state), meanwhile=correct))) == 2


def test_an_outage_of_the_store_does_not_end_the_watch(store, monkeypatch):
    trigger = watch(AssetState())
    whole, calls = trigger.deliveries, []

    def flaky():
        calls.append(1)
        if len(calls) < 4:
            raise OSError("connection refused")
        return whole()

    monkeypatch.setattr(trigger, "deliveries", flaky)
    store.write("inbox/cells/d1/annotations.json", b"{}")
    assert len(asyncio.run(events(trigger))) == 1


def test_it_can_be_made_again_from_what_is_serialised():
    path, kwargs = NewDeliveries("cells", "inbox/cells", 5.0).serialize()
    assert path == "visionloop_airflow.label_watch.NewDeliveries"
    assert NewDeliveries(**kwargs).serialize() == (path, kwargs)
