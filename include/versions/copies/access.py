"""Who read a version out of the store by hand, when, and where to.

datasets/<name>/access/<version>/<time>-<person>.json
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from include.artifacts import DatasetVersion
from include.artifacts.base import Frozen
from include.storage import Store
from include.storage.addresses import clean
from include.storage.content import in_threads


class Access(Frozen):
    """`what` was done (checkout, dvc export), and `where` the bytes went: machine and folder."""

    who: str
    when: datetime
    what: str
    where: str


def folder(version: DatasetVersion) -> str:
    return f"datasets/{version.name}/access/{version.version}"


def record_access(store: Store, version: DatasetVersion, who: str, what: str, where: str) -> Access:
    access = Access(who=who, when=datetime.now(UTC), what=what, where=where)
    key = f"{folder(version)}/{access.when:%Y-%m-%dT%H_%M_%S.%f}-{clean(who)}.json"
    store.create(key, access.model_dump_json(indent=1).encode())
    return access


def accesses(store: Store, version: DatasetVersion, last: int | None = None) -> list[Access]:
    """The last so many, or all; oldest first."""
    keys = sorted(entry.key for entry in store.list(folder(version)))
    return [Access.model_validate(json.loads(data)) for data in in_threads(store.read, keys[-last:] if last else keys)]
