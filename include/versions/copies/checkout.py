"""A version into a local folder. Every file's md5 is checked, and it is written aside: what has its name is whole.

Killed and started again it goes on. A folder keeps what it has: files that no checkout wrote are neither replaced nor removed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from include.errors import BadInputError, ConfigError
from include.storage import ContentStore
from include.storage.content import in_threads
from include.storage.threads import as_they_end
from include.versions.copies.fetch import Fetched, Fetcher, Link, md5_of_file
from include.versions.copies.folders import STAGING, FileState, check_relpaths, walk
from include.versions.copies.hash_cache import HashCache
from include.versions.copies.upload import Progress

THREADS, THREADS_LOCAL = 16, 4  # as for uploads: asyncio gave the same rate for more CPU
NAMED = 20  # of many problems, so many are named


@dataclass(frozen=True)
class CheckedOut:
    """What a checkout did, in files. `left`: files in the folder that are not the version's, and stay."""

    files: int
    written: int
    written_bytes: int
    kept: int
    removed: int
    left: int


@dataclass(frozen=True)
class _Plan:
    write: list[tuple[str, str]]
    keep: list[str]
    others: dict[str, FileState]


def check_out(
    content: ContentStore, files: Mapping[str, str], folder: Path, cache: HashCache, *, link: Link = "copy", force: bool = False,
    delete: bool = False, progress: Progress | None = None,
) -> CheckedOut:  # fmt: skip
    """`files`: md5 by relpath. `force` replaces files that no checkout wrote. `delete` removes what earlier checkouts wrote and
    this version has not; with `force`, every other file, too.

    Raises ConfigError where files are in the way, before anything is written; BadInputError naming missing or damaged objects,
    after all others are in place.
    """  # fmt: skip
    check_relpaths(files, "the version's listing")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder) as staging:
            plan = _plan(files, folder, cache, force)
            fetcher = Fetcher(content, folder, staging, link)
            written, written_bytes, bad = 0, 0, []
            for one in as_they_end(fetcher.fetch, plan.write, THREADS_LOCAL if content.store.folder else THREADS):
                if one.problem is not None:
                    bad.append(one.problem)
                else:
                    written, written_bytes = written + 1, written_bytes + _remember(cache, one)
                if progress is not None:
                    progress(len(plan.keep) + written, len(files), written_bytes)
            _complain(bad)
            removed = _remove(folder, plan.others, cache, force) if delete else 0
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: {error.strerror}; mend it and run this again: it goes on") from None
    return CheckedOut(len(files), written, written_bytes, len(plan.keep), removed, len(plan.others) - removed)


@contextmanager
def _alone_in(folder: Path) -> Iterator[Path]:
    """A place to write aside, for one checkout at a time; what a killed one left is cleared away."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise ConfigError(f"{folder}: another checkout is at work in this folder; wait until it has ended") from None
    staging = folder / STAGING
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(exist_ok=True)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(lock)


def _plan(files: Mapping[str, str], folder: Path, cache: HashCache, force: bool) -> _Plan:
    """What is to be written, what is right already. Raises ConfigError for files in the way."""
    there = dict(walk(folder))
    folders_there = {parent for relpath in there for parent in _parents(relpath)}
    if clash := sorted(folders_there & files.keys()):
        raise ConfigError(f"{folder}/{clash[0]}: a folder, where the version has a file; move it away")
    md5s = {relpath: cache.md5(relpath, there[relpath]) for relpath in files.keys() & there.keys()}
    unread = [relpath for relpath, md5 in md5s.items() if md5 is None]
    md5s |= zip(unread, in_threads(lambda relpath: md5_of_file(folder / relpath), unread, 4), strict=True)
    keep = [relpath for relpath, md5 in md5s.items() if md5 == files[relpath]]
    for relpath in keep:  # the store has these bytes: nothing is lost when a later checkout replaces them
        cache.remember(relpath, there[relpath], files[relpath], written=True)
    foreign = [relpath for relpath in md5s.keys() - set(keep) if not cache.wrote(relpath, there[relpath])]
    in_folders_way = {parent for relpath in files for parent in _parents(relpath)} & there.keys()
    if (foreign or in_folders_way) and not force:
        _refuse(folder, sorted({*foreign, *in_folders_way}))
    for relpath in in_folders_way:
        (folder / relpath).unlink()
    kept = set(keep)
    return _Plan(
        [(relpath, md5) for relpath, md5 in files.items() if relpath not in kept], keep,
        {relpath: state for relpath, state in there.items() if relpath not in files and relpath not in in_folders_way},
    )  # fmt: skip


def _parents(relpath: str) -> Iterator[str]:
    while (relpath := relpath.rpartition("/")[0]) != "":
        yield relpath


def _refuse(folder: Path, relpaths: list[str]) -> None:
    raise ConfigError(
        f"{folder}: {len(relpaths)} files differ from the version and no checkout wrote them (or they were changed since): "
        f"{', '.join(relpaths[:NAMED])}{', …' if len(relpaths) > NAMED else ''}; move them away, or replace them with --force"
    )


def _remember(cache: HashCache, one: Fetched) -> int:
    """Note a file as written; returns its size."""
    assert one.state is not None
    cache.remember(one.relpath, one.state, one.md5, written=True)
    return one.state[2]


def _complain(bad: list[str]) -> None:
    if bad:
        more = f"\n… and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        said = "\n".join(sorted(bad)[:NAMED])
        raise BadInputError(f"{len(bad)} objects are missing or damaged; restore them and run this again:\n{said}{more}")


def _remove(folder: Path, others: Mapping[str, FileState], cache: HashCache, force: bool) -> int:
    """Remove files, and the folders that this leaves empty."""
    gone = [relpath for relpath, state in others.items() if force or cache.wrote(relpath, state)]
    for relpath in gone:
        (folder / relpath).unlink()
    for parent in sorted({parent for relpath in gone for parent in _parents(relpath)}, key=len, reverse=True):
        try:
            (folder / parent).rmdir()
        except OSError:  # something else is in it
            continue
    cache.forget(gone)
    return len(gone)
