"""Movable names of a dataset's versions (`production`, `golden`), each with its history.

    datasets/<name>/aliases/<alias>/<n>.json     every move, numbered, written create-only: the last one holds

Of two people who move an alias at once, one is told that the other was first: no move is lost unseen.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from pydantic import Field

from include.artifacts.base import Frozen
from include.errors import BadInputError, ConfigError
from include.storage import Store
from include.storage.content import in_threads

NAME = r"[a-z][a-z0-9_-]*"
TAKEN = r"latest|v[0-9]+"  # these mean something already


class Move(Frozen):
    """One entry of an alias's history."""

    alias: str
    number: int
    version: str = Field(pattern=r"^v[1-9][0-9]*$")
    before: str | None
    moved_by: str
    reason: str
    moved_at: datetime


def folder(dataset: str) -> str:
    return f"datasets/{dataset}/aliases"


def history(store: Store, dataset: str, alias: str | None = None) -> list[Move]:
    """Every move of one alias, or of all, oldest first."""
    prefix = f"{folder(dataset)}/{alias}" if alias else folder(dataset)
    keys = [entry.key for entry in store.list(prefix) if re.search(r"/[1-9][0-9]*\.json$", entry.key)]
    moves = [Move.model_validate(json.loads(data)) for data in in_threads(store.read, keys)]
    return sorted(moves, key=lambda move: (move.moved_at, move.alias, move.number))


def current(store: Store, dataset: str) -> dict[str, str]:
    """Version by alias."""
    newest: dict[str, Move] = {}
    for move in history(store, dataset):
        if move.alias not in newest or move.number > newest[move.alias].number:
            newest[move.alias] = move
    return {alias: newest[alias].version for alias in sorted(newest)}


def resolve(store: Store, dataset: str, alias: str) -> str:
    """The version that an alias names now. Raises BadInputError that lists those there are."""
    known = current(store, dataset)
    if alias not in known:
        there = ", ".join(f"{name} ({version})" for name, version in known.items()) or "none"
        raise BadInputError(f"dataset://{dataset}:{alias}: there is no such alias; there are: {there}")
    return known[alias]


def move(store: Store, dataset: str, alias: str, version: str, moved_by: str, reason: str = "") -> Move:
    """Point an alias at a version. Raises ConfigError for a name that cannot be one, or where someone else moved it just now."""
    if not re.fullmatch(NAME, alias) or re.fullmatch(TAKEN, alias):
        raise ConfigError(f"alias: got {alias!r}, expected small letters, digits, - and _, and neither `latest` nor v<number>")
    if not store.exists(f"datasets/{dataset}/{version}.json"):
        raise ConfigError(f"dataset://{dataset}:{version}: no such version; `visionloop dataset list {dataset}` shows them")
    before = history(store, dataset, alias)
    made = Move(
        alias=alias, number=len(before) + 1, version=version, before=before[-1].version if before else None,
        moved_by=moved_by, reason=reason, moved_at=datetime.now(UTC),
    )  # fmt: skip
    if not store.create(f"{folder(dataset)}/{alias}/{made.number}.json", made.model_dump_json(indent=1).encode()):
        raise ConfigError(f"dataset://{dataset}:{alias} was moved by someone else just now; look (`dataset show`) and try again")
    return made
