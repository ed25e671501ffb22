from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.artifacts import DatasetVersion
from include.artifacts.tables import IMAGES, to_parquet
from include.errors import BadInputError, StepError
from include.storage import ContentStore, Store, condemned, open_store
from include.storage.condemned import batches
from include.storage.content import content_key, md5_of
from include.versions import garbage
from include.versions.garbage import Swept, collect_garbage
from include.versions.references import in_text
from include.versions.verify import verify, version_keys
from tests import versions
from tests.versions import put_version

Opened = Callable[[str], Store]
WEEK = timedelta(days=7)
ROOT = Path(__file__).resolve().parents[3]


def put(store: Store, *relpaths: str, name: str = "trees") -> DatasetVersion:
    boxes = [{"image": relpaths[0], "class_name": "Tree", "box": (1, 2, 10, 10)}]
    return put_version(store, name, ("Tree",), [{"relpath": relpath} for relpath in relpaths], boxes)


def folder(store: Store) -> Path:
    return Path(store.url.removeprefix("file://"))


def days_pass(store: Store, days: float) -> None:
    """Everything that lies in the store is that much older."""
    for path in folder(store).rglob("*"):
        if path.is_file():
            seen = path.stat().st_mtime - days * 86400
            os.utime(path, (seen, seen))


def content(store: Store) -> set[str]:
    return {entry.key for entry in store.list("files/md5")}


def sweep(store: Store, delete: bool = True, **how: Any) -> Swept:
    return collect_garbage(store, WEEK, delete, **how)


def test_what_nothing_names_goes_after_two_runs_a_grace_apart_and_nothing_else(opened: Opened) -> None:
    store = opened("file")
    put(store, "a.png", "b.png")
    kept = content(store)
    store.write("files/md5/README", b"not ours")
    litter = {content_key(ContentStore(store).put(f"litter {number}".encode())) for number in range(5)}
    swept = sweep(store)
    assert (swept.young, swept.condemned, swept.deleted) == (5, 0, 0)
    days_pass(store, 8)
    dry = sweep(store, delete=False)
    assert (dry.condemned, dry.condemned_bytes) == (5, 40)
    assert not list(batches(store))
    assert (sweep(store).condemned, sweep(store).waiting) == (5, 5)
    assert content(store) == kept | litter | {"files/md5/README"}
    days_pass(store, 8)
    dry = sweep(store, delete=False)
    assert (dry.deleted, dry.deleted_bytes, dry.condemned) == (5, 40, 0)
    assert content(store) > kept
    assert sweep(store).deleted == 5
    assert content(store) == kept | {"files/md5/README"}
    assert not list(store.list("gc"))


def put_card(store: Store, key: str, **fields: Any) -> None:
    store.write(key, json.dumps({"kind": "a kind of tomorrow", **fields}).encode())


def test_whatever_a_card_of_any_kind_names_stays_and_what_its_tables_name(opened: Opened) -> None:
    store = opened("file")
    files = ContentStore(store)
    kept = [files.put(f"kept {number}".encode()) for number in range(6)]
    rows = [{"image_key": "k", "md5": kept[1]}, {"image_key": "l", "md5": None}]
    table = files.put(to_parquet(pa.Table.from_pylist(rows, IMAGES)))
    inner = files.put(to_parquet(pa.table({"other_md5": [kept[2]]})))
    put_card(store, "runs/d/r/t/card.json", nested={"deep": [{"weights": kept[0]}], "images_table": table})
    put_card(store, "tomorrow/card.json", anything=inner, where=content_key(kept[3]))
    put_card(store, "models/trees/promotions/1.json", bundle=f"see {kept[4]}")
    put_card(store, "inbox/d1/annotations.json", not_ours="0" * 32)
    days_pass(store, 8)
    assert sweep(store, also=[f"s3://bucket/{content_key(kept[5])}"]).condemned == 0
    assert sweep(store).condemned == 1


def test_a_name_is_found_across_the_pieces_of_a_large_card_and_not_within_a_longer_number() -> None:
    md5s = [md5_of(bytes([number])) for number in range(200)]
    text = json.dumps({"all": md5s, "sha": "ab" * 32}).encode()
    for size in (129, 500, 4096):
        pieces = (text[start : start + size] for start in range(0, len(text), size))
        assert in_text(pieces)[0] >= set(md5s)
    assert in_text([text])[0] == set(md5s)


@pytest.mark.parametrize("lost", ["digest", "images_table"])
def test_nothing_is_deleted_while_a_listing_or_table_is_lost(opened: Opened, lost: str) -> None:
    store = opened("file")
    version = put(store, "a.png")
    ContentStore(store).put(b"litter")
    days_pass(store, 8)
    sweep(store)
    days_pass(store, 8)
    store.delete(content_key(version.digest + ".dir" if lost == "digest" else version.images_table))
    before = content(store)
    with pytest.raises(BadInputError, match="missing, but a card names it"):
        sweep(store)
    assert content(store) == before


def test_condemned_bytes_that_are_put_again_stay(opened: Opened) -> None:
    store = opened("file")
    wanted, litter = (ContentStore(store).put(data) for data in (b"wanted", b"litter"))
    days_pass(store, 8)
    assert sweep(store).condemned == 2
    days_pass(store, 8)
    ContentStore(store).put(b"wanted")
    swept = sweep(store)
    assert (swept.deleted, swept.saved) == (1, 1)
    assert content(store) == {content_key(wanted)}
    assert content_key(litter) not in content(store)
    assert [key for key in (entry.key for entry in store.list("gc")) if "pardoned" in key] == []


def test_bytes_put_while_they_are_being_deleted_are_sent_anew_afterwards(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened("file")
    name = ContentStore(store).put(b"wanted")
    days_pass(store, 8)
    sweep(store)
    days_pass(store, 8)
    putting, deleting = threading.Thread(target=lambda: ContentStore(store).put(b"wanted")), store.delete_many

    def slow(keys: list[str]) -> None:
        if content_key(name) in keys:
            putting.start()
            time.sleep(0.5)
            assert putting.is_alive()  # waits for the end
        deleting(keys)

    monkeypatch.setattr(store, "delete_many", slow)
    assert sweep(store).deleted == 1
    putting.join()
    assert content(store) == {content_key(name)}


def test_a_batch_of_a_killed_collector_keeps_writers_waiting_until_a_later_run_ends_it(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened("file")
    name = ContentStore(store).put(b"wanted")
    days_pass(store, 8)
    sweep(store)
    days_pass(store, 8)
    monkeypatch.setattr(store, "delete_many", lambda keys: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        sweep(store)
    monkeypatch.undo()
    monkeypatch.setattr(condemned, "WAIT_S", 0.3)
    with pytest.raises(StepError, match="has not ended within"):
        ContentStore(store).put(b"wanted")
    assert sweep(store).deleted == 0  # it was closed just now: someone may be at it
    days_pass(store, 1 / 12)
    assert sweep(store).deleted == 0  # the writer's pardon counts
    ContentStore(store).put(b"wanted")
    assert content(store) == {content_key(name)}
    assert not [entry for entry in store.list("gc") if entry.key.endswith("/closed")]


PUBLISHER = """
import random, sys, time
from include.storage import open_store
from tests.include.versions.test_garbage import churn
churn(open_store(sys.argv[1]), random.Random(int(sys.argv[2])), float(sys.argv[3]), float(sys.argv[4]), f"d{sys.argv[2]}")
"""
POOL = [f"{number}.png" for number in range(24)]


def churn(store: Store, rng: random.Random, until: float, within_s: float, name: str) -> None:
    """Publish versions of pictures that all publishers share; take versions away again, so that their pictures are garbage.

    Between its pictures' bytes and its card, a publisher takes its time: bytes that were there already may be deleted meanwhile.
    """
    round_, describe = 0, versions.describe

    def slow(*what: Any) -> Any:
        time.sleep(rng.random() * within_s * 0.7)
        return describe(*what)

    versions.describe = slow
    while time.time() < until:
        round_ += 1
        started = time.monotonic()
        card = put(store, *rng.sample(POOL, 4), name=f"{name}-{round_}")
        in_time = time.monotonic() - started < within_s  # else: slower than the grace allows, as a step that ran out of time
        time.sleep(rng.random() * 0.4)
        if in_time:
            (health,) = verify(store, [card.standing_address], deep=True).versions
            assert health.damages == []
        if not in_time or rng.random() < 0.9:
            store.delete(card.standing_address)


@pytest.mark.integration
@pytest.mark.parametrize("scheme", ["file", "s3"])
def test_no_standing_version_loses_a_byte_beside_a_collector_that_runs_all_the_time(
    opened: Opened, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, grace_s = opened(scheme), 1.5
    until = time.time() + 25
    monkeypatch.setattr(garbage, "BATCH", 3)
    command = [sys.executable, "-c", PUBLISHER, store.url]
    publishers = [
        subprocess.Popen([*command, str(seed), str(until), str(grace_s * 0.8)], cwd=ROOT, env=os.environ, stderr=subprocess.PIPE)
        for seed in range(3)
    ]
    total = Swept()
    threads = [threading.Thread(target=collect, args=(store.url, until, grace_s, total)) for _ in range(2)]
    for thread in threads:
        thread.start()
    errors = [publisher.communicate(timeout=120)[1] for publisher in publishers]
    for thread in threads:
        thread.join()
    assert [publisher.returncode for publisher in publishers] == [0, 0, 0], errors
    verified = verify(store, version_keys(store), deep=True)
    assert total.deleted > 20  # it was a race
    assert total.saved > 0
    assert [(one.label, one.damages) for one in verified.broken] == []


def collect(url: str, until: float, grace_s: float, total: Swept) -> None:
    while time.time() < until:
        try:
            swept = collect_garbage(open_store(url), timedelta(seconds=grace_s), delete=True)
            total.deleted += swept.deleted
            total.saved += swept.saved
        except BadInputError:  # of a card that was taken away since it was read, with its tables
            continue


def test_the_grace_counts_from_the_objects_own_time(opened: Opened) -> None:
    store = opened("file")
    ContentStore(store).put(b"litter")
    (entry,) = store.list("files/md5")
    assert (datetime.now(entry.modified.tzinfo) - entry.modified) < timedelta(minutes=1)
    days_pass(store, 6.9)
    assert sweep(store).condemned == 0
    days_pass(store, 0.2)
    assert sweep(store).condemned == 1
