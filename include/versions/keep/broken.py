"""Marks on versions that an audit found damaged: nothing trains on them, and nothing is derived from them, unless forced.

    datasets/<name>/broken/<version>/<n>.json     every finding that changed something, numbered, create-only: the last one holds

A version found whole again gets a last finding that says so: the mark is lifted, its history stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import Field

from include.artifacts import Damage, DatasetVersion
from include.artifacts.base import Frozen
from include.errors import BadInputError
from include.storage import Store
from include.versions.keep.health import Health, Verified
from include.versions.keep.verify import verify

KEPT = 10_000  # damages that a mark names; of more, the whole version is read the next time


class Finding(Frozen):
    """One entry of a version's history of damage."""

    version: str = Field(description="<dataset>:v<n>")
    number: int
    is_broken: bool
    damaged: int = Field(description="objects; `damages` are the first of them")
    damages: tuple[Damage, ...]
    found_at: datetime
    found_by: str = Field(description="the run, as its folder in the store")

    @property
    def key(self) -> str:
        dataset, version = self.version.split(":")
        return f"{folder(dataset, version)}/{self.number}.json"


def folder(dataset: str, version: str) -> str:
    return f"datasets/{dataset}/broken/{version}"


def history(store: Store, dataset: str, version: str) -> list[Finding]:
    """Every finding on a version, oldest first."""
    keys = [entry.key for entry in store.list(folder(dataset, version)) if re.search(r"/[1-9][0-9]*\.json$", entry.key)]
    return sorted((Finding.model_validate(json.loads(store.read(key))) for key in keys), key=lambda one: one.number)


def mark_of(store: Store, dataset: str, version: str) -> Finding | None:
    """The mark that holds; None for a version that counts as whole."""
    findings = history(store, dataset, version)
    return findings[-1] if findings and findings[-1].is_broken else None


def refuse_broken(store: Store, version: DatasetVersion, force: bool | None = None) -> Finding | None:
    """Raises BadInputError for a version that is marked; if forced, gives the mark. `force=None`: there is no such setting."""
    mark = mark_of(store, version.name, version.version)
    if mark is None or force:
        return mark
    first = mark.damages[0]
    how = "" if force is None else ", or set force_broken to use it all the same"
    raise BadInputError(
        f"dataset {version.label} is marked as broken by {store.url}/{mark.key}: {mark.damaged} damaged objects, first "
        f"{first.relpath} ({first.key}): {first.what}. Restore them and run `visionloop dataset verify {version.label}`, which "
        f"lifts the mark; or take another version{how}"
    )


def verify_and_mark(store: Store, keys: Iterable[str], found_by: str, deep: bool = False) -> tuple[Verified, list[str]]:
    """What `verify` found, marked; and the labels of versions found whole that were marked.

    What was damaged the last time is read: a mark is not lifted on the word of a listing that could not see the damage.
    """
    wanted = [Health(key) for key in keys]
    marks = {one.key: mark for one in wanted if (mark := mark_of(store, one.dataset, one.version)) is not None}
    doubted = {key: _md5s(mark) for key, mark in marks.items()}
    verified = verify(store, [one.key for one in wanted], deep, doubted)
    mended = []
    for one in verified.versions:
        if one.damages or one.key in marks:
            _note(store, one, found_by)
        if one.key in marks and not one.damages:
            mended.append(one.label)
    return verified, mended


def _md5s(mark: Finding) -> frozenset[str] | None:
    """Of the objects that the mark names; None where it does not name them all."""
    if mark.damaged > len(mark.damages):
        return None
    return frozenset(damage.md5 for damage in mark.damages if damage.md5)


def _note(store: Store, one: Health, found_by: str) -> Finding:
    """The finding that holds from now on: a new one, unless the last one says the same."""
    while True:
        before = history(store, one.dataset, one.version)
        damages = tuple(sorted(one.damages, key=lambda damage: (damage.key, damage.relpath))[:KEPT])
        if before and (before[-1].damages, before[-1].damaged) == (damages, len(one.damages)):
            return before[-1]
        finding = Finding(
            version=one.label, number=len(before) + 1, is_broken=bool(damages), damaged=len(one.damages), damages=damages,
            found_at=datetime.now(UTC), found_by=found_by,
        )  # fmt: skip
        if store.create(finding.key, finding.model_dump_json(indent=1).encode()):
            return finding
