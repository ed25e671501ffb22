"""The names under which things are found in the store, and by people.

    runs/<dag>/<run>/<task>/card.json       what a task of a run made
    labels/<source>/batches/<id>.json       label batches: together, the source's ledger
    labels/<source>/checked/<id>.json       the same batches, validated
    labels/<source>/stopped/<id>.json       … or stopped: what was found
    labels/<source>/told/<review>.json      which of its labels a champion suspected, as annotators were told
    datasets/<name>/v<n>.json               dataset versions
    datasets/<name>/aliases/<alias>/<n>.json   every move of a version's movable name
    datasets/<name>/access/<version>/…json  who took a version out of the store by hand
    models/<name>/promotions/<n>.json       every decision on a challenger, in order

A movable name (`dataset://trees:latest`, `model://trees@champion`) is frozen when a run first uses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from include.errors import ConfigError

CARD = "card.json"


def clean(name: str) -> str:
    """A run id as a key: `:` and `+` and other awkward characters become `_`."""
    return re.sub(r"[^A-Za-z0-9._=-]", "_", name)


def run_folder(dag_id: str, run_id: str) -> str:
    return f"runs/{dag_id}/{clean(run_id)}"


def task_folder(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{run_folder(dag_id, run_id)}/{task_id}"


@dataclass(frozen=True)
class DatasetName:
    """`dataset://name:version`; version is `v3`, or a movable name: `latest`, or an alias."""

    name: str
    version: str

    @classmethod
    def parse(cls, address: str) -> DatasetName:
        found = re.fullmatch(r"(?:dataset://)?([a-z0-9_-]+):([a-z][a-z0-9_-]*)", address)
        if not found or (re.fullmatch(r"v[0-9]*", found[2]) and not re.fullmatch(r"v[1-9][0-9]*", found[2])):
            raise ConfigError(f"dataset address: got {address!r}, expected dataset://<name>:v<number>, …:latest, or …:<alias>")
        return cls(*found.groups())

    @property
    def is_fixed(self) -> bool:
        """Names one version, now and for ever."""
        return re.fullmatch(r"v[1-9][0-9]*", self.version) is not None

    @property
    def folder(self) -> str:
        return f"datasets/{self.name}"

    @property
    def card(self) -> str:
        return f"{self.folder}/{self.version}.json"


@dataclass(frozen=True)
class ModelName:
    """`model://name@champion` or `model://name@<registry version number>`."""

    name: str
    version: str

    @classmethod
    def parse(cls, address: str) -> ModelName:
        found = re.fullmatch(r"(?:model://)?([a-z0-9_-]+)@(champion|[1-9][0-9]*)", address)
        if not found:
            raise ConfigError(
                f"model address: got {address!r}, expected model://<name>@champion or model://<name>@<version number>"
            )
        return cls(*found.groups())
