"""The versions that a dataset has."""

from __future__ import annotations

import re

from include.artifacts import DatasetVersion
from include.storage import Store


def version_numbers(store: Store, dataset: str) -> list[int]:
    """In order, the newest last."""
    pattern = re.compile(rf"datasets/{re.escape(dataset)}/v([1-9][0-9]*)\.json")
    return sorted(int(found[1]) for entry in store.list(f"datasets/{dataset}") if (found := pattern.fullmatch(entry.key)))


def datasets(store: Store) -> list[str]:
    """Names of the datasets that have a version."""
    keys = (entry.key for entry in store.list("datasets"))
    return sorted({key.split("/")[1] for key in keys if key.count("/") == 2 and key.endswith(".json")})


def card_address(dataset: str, number: int) -> str:
    return f"datasets/{dataset}/v{number}.json"


def read_version(store: Store, dataset: str, number: int) -> DatasetVersion:
    return DatasetVersion.load(store, card_address(dataset, number))
