from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from include.artifacts import DatasetVersion
from include.artifacts.tables import IMAGES, to_parquet
from include.errors import BadInputError, StepError
from include.storage import ContentStore, Store, condemned, open_store
from include.storage.adopted import Lies
from include.storage.condemned import batches
from include.storage.content import content_key, md5_of
from include.versions import aliases, taken_over
from include.versions.copies import upload
from include.versions.copies.hash_cache import HashCache
from include.versions.copies.upload import upload_folder
from include.versions.keep import garbage
from include.versions.keep.garbage import Swept, collect_garbage
from include.versions.keep.references import in_text
from include.versions.listing import put_listing, read_listing
from include.versions.operations.adopt import copied
from tests import versions
from tests.versions import png, put_version

Opened = Callable[[str], Store]
WEEK = timedelta(days=7)
ROOT = Path(__file__).resolve().parents[4]


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
from pathlib import Path
from include.storage import open_store
from tests.include.versions.keep.test_garbage import churn
how, url, seed, within_s, folder = sys.argv[1:]
churn(open_store(url), how, random.Random(int(seed)), float(within_s), f"d{seed}", Path(folder))
"""
POOL = [f"{number}.png" for number in range(24)]


def churn(store: Store, how: str, rng: random.Random, within_s: float, name: str, folder: Path) -> None:
    """Publish versions of pictures that all publishers share; take versions away again, so that their pictures are garbage.

    Between its pictures' bytes and its card, a publisher takes its time: bytes that were there already may be deleted meanwhile.
    `how`: each picture put, or a folder of them uploaded, which skips what a listing shows. Ends when there is a file `stop`.
    """
    round_, listings = 0, deque[tuple[float, str]]()
    publish = by_put if how == "put" else by_upload
    while not (folder.parent / "stop").exists():
        round_ += 1
        started = time.monotonic()
        key, listing = publish(store, rng, rng.random() * within_s * 0.7, f"{name}-{round_}", folder)
        in_time = time.monotonic() - started < within_s  # else: slower than the grace allows, as a step that ran out of time
        time.sleep(rng.random() * 0.4)
        if in_time:
            assert lost(ContentStore(store), listing) == [], key
        if not in_time or rng.random() < 0.9:
            store.delete(key)
            listings.append((time.time(), content_key(listing)))
        while listings and listings[0][0] < time.time() - 3:  # a collector that has just read the card still opens it
            store.delete(listings.popleft()[1])


def by_put(store: Store, rng: random.Random, pause_s: float, name: str, folder: Path) -> tuple[str, str]:
    """Key of a standing card, and its listing."""
    describe = versions.describe
    versions.describe = lambda *what: time.sleep(pause_s) or describe(*what)
    try:
        card = put(store, *rng.sample(POOL, 4), name=name)
    finally:
        versions.describe = describe
    return card.standing_address, f"{card.digest}.dir"


def by_upload(store: Store, rng: random.Random, pause_s: float, name: str, folder: Path) -> tuple[str, str]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for relpath in rng.sample(POOL, 4):
        (folder / relpath).write_bytes(png(relpath))
    (folder / "name").write_text(name)
    content = ContentStore(store)
    with HashCache(folder, folder.parent / f"{folder.name}.sqlite") as cache:
        files = upload_folder(content, folder, cache).files
    time.sleep(pause_s)
    digest = put_listing(content, files)
    put_card(store, f"datasets/{name}/v1.json", digest=digest)
    return f"datasets/{name}/v1.json", f"{digest}.dir"


def lost(content: ContentStore, listing: str) -> list[str]:
    """Of a standing version's files, those that are not there or not whole."""
    bad = []
    for relpath, md5 in read_listing(content, listing.removesuffix(".dir")).items():
        try:
            content.get(md5)
        except BadInputError as error:
            bad.append(f"{relpath}: {error}")
    return bad


@pytest.mark.integration
@pytest.mark.parametrize("how", ["put", "upload"])
@pytest.mark.parametrize("scheme", ["file", "s3"])
def test_no_standing_version_loses_a_byte_beside_a_collector_that_runs_all_the_time(
    opened: Opened, scheme: str, how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store, grace_s = opened(scheme), 1.5
    monkeypatch.setattr(garbage, "BATCH", 3)
    command = [sys.executable, "-c", PUBLISHER, how, store.url]
    publishers = [
        subprocess.Popen(
            [*command, str(seed), str(grace_s * 0.8), str(tmp_path / f"folder{seed}")], cwd=ROOT, stderr=subprocess.PIPE
        )
        for seed in range(3)
    ]
    total, over = Swept(), threading.Event()
    threads = [threading.Thread(target=collect, args=(store.url, over, grace_s, total)) for _ in range(2)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    while (total.deleted < 20 or total.saved < 3) and time.monotonic() - started < 120:  # it is to be a race
        time.sleep(0.1)
    (tmp_path / "stop").touch()
    errors = [publisher.communicate(timeout=120)[1] for publisher in publishers]
    over.set()
    for thread in threads:
        thread.join()
    assert [publisher.returncode for publisher in publishers] == [0, 0, 0], errors
    assert total.deleted >= 20
    assert total.saved >= 3
    content, cards = ContentStore(store), [entry.key for entry in store.list("datasets")]
    assert [bad for key in cards for bad in lost(content, f"{json.loads(store.read(key))['digest']}.dir")] == []


def collect(url: str, over: threading.Event, grace_s: float, total: Swept) -> None:
    while not over.is_set():
        try:
            swept = collect_garbage(open_store(url), timedelta(seconds=grace_s), delete=True)
            total.deleted += swept.deleted
            total.saved += swept.saved
        except BadInputError:  # of a card that was taken away since it was read, with its tables
            continue


def condemned_picture(store: Store, name: str) -> str:
    """Bytes that are condemned and due to be deleted; their md5."""
    md5 = ContentStore(store).put(png(name))
    days_pass(store, 8)
    assert sweep(store).condemned == 1
    days_pass(store, 8)
    return md5


def test_condemned_bytes_that_an_upload_finds_by_listing_stay(store: Store, tmp_path: Path) -> None:
    md5 = condemned_picture(store, "a")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.png").write_bytes(png("a"))
    with HashCache(tmp_path / "folder", tmp_path / "cache.sqlite") as cache:
        assert upload_folder(ContentStore(store), tmp_path / "folder", cache).files == {"a.png": md5}
    swept = sweep(store)
    assert (swept.deleted, swept.saved) == (0, 1)
    assert content(store) == {content_key(md5)}


def test_bytes_deleted_after_an_upload_listed_them_are_sent_anew(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    md5 = condemned_picture(store, "a")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.png").write_bytes(png("a"))
    present = upload.present

    def then_swept(*what: Any) -> Any:
        found = present(*what)
        assert sweep(open_store(store.url)).deleted == 1
        return found

    monkeypatch.setattr(upload, "present", then_swept)
    with HashCache(tmp_path / "folder", tmp_path / "cache.sqlite") as cache:
        upload_folder(ContentStore(store), tmp_path / "folder", cache)
    assert content(store) == {content_key(md5)}


def test_condemned_bytes_that_a_dvc_import_or_an_adoption_with_copies_finds_stay(store: Store, tmp_path: Path) -> None:
    remote = open_store(f"file://{tmp_path}/remote")
    imported = condemned_picture(store, "a")
    ContentStore(remote).put(png("a"))
    assert not taken_over.Source(ContentStore(store), remote, None, set()).take(imported, True).copied
    assert (swept := sweep(store)).saved == 1, swept
    adopted = condemned_picture(store, "b")
    store.write("inbox/b.png", png("b"))
    step: Any = SimpleNamespace(store=store, content=ContentStore(store))
    assert not copied(step, Lies(adopted, "inbox/b.png", "e", len(png("b"))))
    assert (swept := sweep(store)).saved == 1, swept
    assert content_key(adopted) in content(store)


@pytest.mark.integration
def test_a_store_on_s3_keeps_all_that_is_needed_and_what_is_not_ours(opened: Opened) -> None:
    store, second = opened("s3"), timedelta(seconds=1)
    put(store, "a.png", "b.png")
    images = [{"relpath": "old.png", "adopted": "inbox/old.png"}, {"relpath": "c.png"}]
    put_version(store, "old", ("Tree",), images, [])
    aliases.move(store, "trees", "golden", "v1", "ann")
    files = ContentStore(store)
    pushed = put_listing(files, {"theirs.png": files.put(png("theirs"))})  # as by somebody's own `dvc push`
    put_card(store, "runs/d/r/t/card.json", weights=files.put(b"weights"))
    for key in ("inbox/unused.png", "files/md5/README", "files/other/ab", "notes.txt"):
        store.write(key, b"not ours")
    kept = {entry.key for entry in store.list("")}
    assert content_key(f"{pushed}.dir") in kept
    litter = {content_key(files.put(f"litter {number}".encode())) for number in range(5)}
    time.sleep(2.2)
    assert collect_garbage(store, second, delete=True).condemned == 5
    time.sleep(2.2)
    assert collect_garbage(store, second, delete=False).deleted == 5
    assert {entry.key for entry in store.list("")} >= kept | litter
    assert collect_garbage(store, second, delete=True).deleted == 5
    assert {entry.key for entry in store.list("")} == kept


KILLED = """
import obstore, os, signal, sys
from datetime import timedelta
from include.storage import open_store
from include.versions.keep import garbage
garbage.AT_ONCE = 2
left = [int(sys.argv[2])]
def dying(call):
    def called(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return called
obstore.put, obstore.delete = dying(obstore.put), dying(obstore.delete)
garbage.collect_garbage(open_store(sys.argv[1]), timedelta(days=7), True)
"""


@pytest.mark.parametrize("writes", range(0, 14, 2))
def test_a_collector_killed_anywhere_is_taken_up_by_a_later_run(store: Store, writes: int) -> None:
    put(store, "a.png")
    kept = content(store)
    files = ContentStore(store)
    litter = [files.put(f"litter {number}".encode()) for number in range(6)]
    days_pass(store, 8)
    sweep(store)
    days_pass(store, 8)
    ContentStore(store).put(b"litter 3")  # pardoned
    killed = subprocess.run([sys.executable, "-c", KILLED, store.url, str(writes)], cwd=ROOT, capture_output=True)
    assert killed.returncode == (-9 if writes < 10 else 0), killed.stderr
    assert content(store) >= kept | {content_key(litter[3])}
    days_pass(store, 1 / 12)
    sweep(store)
    assert content(store) == kept | {content_key(litter[3])}
    days_pass(store, 8)
    sweep(store)
    assert [entry.key for entry in store.list("gc") if not entry.key.endswith("condemned.json")] == []


def test_adopted_records_and_bytes_are_never_touched(store: Store) -> None:
    put_version(store, "old", ("Tree",), [{"relpath": "a.png", "adopted": "inbox/a.png"}], [])
    copy = ContentStore(store).put(png("a.png"))  # as adopt --copy does, later
    ContentStore(store).adopted.add([Lies(md5_of(b"x"), "inbox/nobody.png", "e", 1)])
    store.write("inbox/nobody.png", b"x")
    before = {entry.key for entry in store.list("")}
    for _ in range(3):
        days_pass(store, 8)
        sweep(store)
    assert {entry.key for entry in store.list("")} == before
    assert content_key(copy) in before


def test_a_damaged_record_of_adopted_bytes_stops_the_collector(store: Store) -> None:
    put_version(store, "old", ("Tree",), [{"relpath": "a.png", "adopted": "inbox/a.png"}], [])
    (record,) = store.list("adopted")
    store.write(record.key, store.read(record.key)[:-9])
    with pytest.raises(BadInputError, match="damaged, so what it names is not known"):
        sweep(store)


def test_what_a_listing_names_that_no_card_knows_stays(store: Store) -> None:
    files = ContentStore(store)
    digest = put_listing(files, {"theirs.png": files.put(png("theirs"))})
    before = content(store)
    for _ in range(3):
        days_pass(store, 8)
        sweep(store)
    assert content(store) == before
    store.delete(content_key(f"{digest}.dir"))
    for _ in range(2):
        days_pass(store, 8)
        sweep(store)
    assert content(store) == set()


def test_the_grace_counts_from_the_objects_own_time(opened: Opened) -> None:
    store = opened("file")
    ContentStore(store).put(b"litter")
    (entry,) = store.list("files/md5")
    assert (datetime.now(entry.modified.tzinfo) - entry.modified) < timedelta(minutes=1)
    days_pass(store, 6.9)
    assert sweep(store).condemned == 0
    days_pass(store, 0.2)
    assert sweep(store).condemned == 1
