"""Delete what nothing names any more, beside publishers that are at work.

The danger: a publisher finds bytes there and does not send them (ContentStore.put); they are deleted; its card then names
nothing. Hence two runs, a grace apart, and a word between collector and writers (include/storage/condemned.py):

1. Condemn. What nothing names and is older than the grace is written down in a batch. Nothing is deleted.
2. A run that begins at least a grace later reads all names anew, *closes* the batch, and only then lists its pardons; deletes
   what is neither named nor pardoned; takes away the list, then the pardons, and `closed` last.

A writer looks up the open batches when it first puts (and each minute). Bytes that one of them holds it *pardons*, before it
looks whether they are there, and only then looks whether the batch is closed. If it is, it waits for the end and sends them anew.

Why no standing card loses a byte. Let W put bytes x, let L be W's look-up before that, and let W's card stand within a grace of
L (publishing takes hours at most, a step is ended after a day; the command takes no grace below a day). Let batch B, condemned at
T, hold x.
- L before T: W's card stands before T + grace. B's deletion begins later, and reads all names first: it finds x named.
- L after T, and B not ended at L: W knows B. Of "W pardons, then looks for `closed`" and "the collector closes, then lists the
  pardons", at least one sees the other's write, as the store is strongly consistent. If W does not see `closed`, its pardon is
  listed, or B has ended meanwhile. If W sees it, W waits until it is gone. Either way no deletion of B can still hit x, and
  only now W looks whether x is there, and sends it if not.
- B ended before L: it deletes no more.
- x in two batches, of two collectors at once: W does the above with each.
- x condemned anew after its pardon: a batch of its own, to which all of this applies.
- Bytes that W found by a listing (include/versions/copies/upload.py): it looks up the open batches before it lists, and takes
  what they hold for absent: it puts it, as above. Batches that ended before that deleted nothing after it.
- Names that come without a put (a derived version names its parent's images): the parent's card stands, and names them.
- A collector killed at any point: an open batch waits; a closed one is ended by a later run, an hour after it was closed. A
  collector gives up a batch after half an hour, and taking over is create-only, so no two ever delete the same one. (This, and
  clocks that differ by far less than the grace, are what is assumed of time.)
- A batch is ended in that order, so one without list is never looked up anew, and whoever knows it still sees `closed`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from include.errors import StepError
from include.storage import Store
from include.storage.condemned import CLOSED, FOLDER, LIST, PARDONED, read_batch
from include.storage.content import content_key
from include.storage.store import Entry
from include.versions.keep.digests import Digests, pack
from include.versions.keep.inventory import FOLDER as CONTENT
from include.versions.keep.inventory import name_of
from include.versions.keep.references import references

BATCH = 10_000  # objects: a writer that meets a closed one waits some seconds
TAKE_OVER = timedelta(hours=1)
AT_ONCE = 1000
WHOLE_SECONDS = timedelta(seconds=1)  # servers cut off the rest: what they list is younger than it looks
DEFAULT_GRACE = timedelta(days=7)


@dataclass
class Swept:
    """Counts of objects and their bytes. Of a dry run: what a run with `--delete` would do now."""

    objects: int = 0
    objects_bytes: int = 0
    needed: int = 0  # md5s that something names
    young: int = 0  # unnamed, but younger than the grace
    young_bytes: int = 0
    condemned: int = 0  # by this run
    condemned_bytes: int = 0
    waiting: int = 0  # condemned before, not yet a grace ago
    waiting_bytes: int = 0
    deleted: int = 0
    deleted_bytes: int = 0
    saved: int = 0  # condemned a grace ago, and needed again since


def collect_garbage(store: Store, grace: timedelta, delete: bool, also: Iterable[str] = ()) -> Swept:
    """Delete what was condemned a grace ago, condemn what nothing names. `also`: texts in which further md5s are named.

    Raises BadInputError where a listing or table is lost, so that it is not known what is needed: nothing is deleted then.
    """
    swept, before = Swept(), datetime.now(UTC) - grace - WHOLE_SECONDS
    needed = references(store, also)
    swept.needed = len(needed.names)
    held: set[str] = set()
    for batch, entries in _batches(store).items():
        made = next((entry.modified for entry in entries if entry.key.endswith(f"/{LIST}")), None)
        if made is None:
            _clear_leftovers(store, entries, before, delete)
        elif made > before:
            objects = read_batch(store, batch)
            held |= objects.keys()
            swept.waiting, swept.waiting_bytes = swept.waiting + len(objects), swept.waiting_bytes + sum(objects.values())
        else:
            held |= _execute(store, batch, needed, swept, delete)
    for few in _unnamed(store, needed, held, before, swept):
        swept.condemned, swept.condemned_bytes = swept.condemned + len(few), swept.condemned_bytes + sum(few.values())
        if delete:
            _condemn(store, few)
    return swept


def _batches(store: Store) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in store.list(FOLDER):
        found.setdefault(entry.key.split("/")[1], []).append(entry)
    return found


def _clear_leftovers(store: Store, entries: list[Entry], before: datetime, delete: bool) -> None:
    """Of a batch that has ended: pardons that came after, or what a killed collector left."""
    if delete and all(entry.modified <= before for entry in entries):
        store.delete_many([entry.key for entry in entries])


def _condemn(store: Store, objects: dict[str, int]) -> None:
    batch = f"{datetime.now(UTC):%Y-%m-%dT%H_%M_%S}-{secrets.token_hex(4)}"
    store.create(f"{FOLDER}/{batch}/{LIST}", json.dumps({"objects": objects}).encode())


def _unnamed(store: Store, needed: Digests, held: set[str], before: datetime, swept: Swept) -> Iterator[dict[str, int]]:
    """Objects that may be condemned, a batch at a time."""
    few: dict[str, int] = {}
    for entries in _some(store.list(CONTENT)):
        is_needed = needed.find(pack(name[:32] for name, _ in entries))[1]
        swept.objects += len(entries)
        for (name, entry), keep in zip(entries, is_needed, strict=True):
            swept.objects_bytes += entry.size_bytes
            if keep or name in held:
                continue
            if entry.modified > before:
                swept.young, swept.young_bytes = swept.young + 1, swept.young_bytes + entry.size_bytes
                continue
            few[name] = entry.size_bytes
        if len(few) >= BATCH:
            yield few
            few = {}
    if few:
        yield few


def _some(listing: Iterator[Entry]) -> Iterator[list[tuple[str, Entry]]]:
    """Content objects, AT_ONCE at a time; what else lies there is not ours to delete."""
    some: list[tuple[str, Entry]] = []
    for entry in listing:
        if (name := name_of(entry)) is not None:
            some.append((name, entry))
        if len(some) == AT_ONCE:
            yield some
            some = []
    yield some


def _execute(store: Store, batch: str, needed: Digests, swept: Swept, delete: bool) -> set[str]:
    """Delete what a batch holds, and end it. Returns what it still holds: of a dry run, or where another collector is at it."""
    if delete and not _close(store, batch):
        return set(read_batch(store, batch))
    until = datetime.now(UTC) + TAKE_OVER / 2
    objects = read_batch(store, batch)
    pardons = [entry.key for entry in store.list(f"{FOLDER}/{batch}/{PARDONED}")]
    pardoned = {key.rpartition("/")[2] for key in pardons}
    names = [name for name in objects if name not in pardoned]
    is_needed = needed.find(pack(name[:32] for name in names))[1]
    doomed = [name for name, keep in zip(names, is_needed, strict=True) if not keep]
    swept.saved += len(objects) - len(doomed)
    swept.deleted, swept.deleted_bytes = swept.deleted + len(doomed), swept.deleted_bytes + sum(objects[n] for n in doomed)
    if not delete:
        return set(objects)
    for start in range(0, len(doomed), AT_ONCE):
        if datetime.now(UTC) > until:
            raise StepError(f"{store.url}/{FOLDER}/{batch}: deleting takes more than half an hour; a later run ends it")
        store.delete_many([content_key(name) for name in doomed[start : start + AT_ONCE]])
    store.delete(f"{FOLDER}/{batch}/{LIST}")
    store.delete_many(pardons + [entry.key for entry in store.list(f"{FOLDER}/{batch}/taken_over")])
    store.delete(f"{FOLDER}/{batch}/{CLOSED}")
    return set()


def _close(store: Store, batch: str) -> bool:
    """May this run delete the batch? Not where another closed it within the last hour."""
    key = f"{FOLDER}/{batch}/{CLOSED}"
    if store.create(key, b""):
        return True
    closed = [entry.modified for entry in store.list(f"{FOLDER}/{batch}") if entry.key == key]
    if not closed or closed[0] > datetime.now(UTC) - TAKE_OVER:
        return False
    if not store.create(f"{FOLDER}/{batch}/taken_over/{closed[0].timestamp():.0f}", b""):
        return False
    store.write(key, b"")  # closed anew, by this run: others keep away for another hour
    return True
