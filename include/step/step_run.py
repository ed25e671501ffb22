"""What a step's `run` function works with: its configuration, its inputs as cards, the store, and who runs it."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from include import prices
from include.artifacts.base import Card, CardT, InputCard, MadeBy
from include.errors import BadInputError
from include.step.plate import StepPlate
from include.storage import ContentStore, Store
from include.storage.addresses import DatasetName, clean
from include.storage.content import md5_of
from include.versions import aliases
from include.versions.history import card_address, version_numbers

Config = TypeVar("Config", bound=BaseModel)


@dataclass(frozen=True)
class Identity:
    """Who runs this step: set by the DAG (plugins/visionloop_airflow/container_step.py), or `by hand`."""

    dag_id: str
    run_id: str
    task_id: str
    started_by: str
    git_commit: str
    environment: str
    runtime: str

    @classmethod
    def from_environment(cls, step: str, output: str) -> Identity:
        """By hand, the output folder stands for the run: the same folder again is the same run again."""

        def read(name: str, otherwise: str) -> str:
            return os.environ.get(f"VISIONLOOP_{name}") or otherwise

        return cls(
            dag_id=read("DAG_ID", "by_hand"),
            run_id=read("RUN_ID", output),
            task_id=read("TASK_ID", step),
            started_by=read("STARTED_BY", "by hand"),
            git_commit=read("GIT_COMMIT", "unknown"),
            environment=read("ENVIRONMENT", "unknown"),
            runtime=read("RUNTIME", "process"),
        )


@dataclass
class StepRun(Generic[Config]):
    """What a step's `run` function works with."""

    plate: StepPlate
    config: Config
    addresses: dict[str, str]
    output: str
    store: Store
    who: Identity
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    read_cards: dict[str, list[InputCard]] = field(default_factory=dict)

    @cached_property
    def log(self) -> logging.Logger:
        return logging.getLogger(self.plate.name)

    @cached_property
    def content(self) -> ContentStore:
        return ContentStore(self.store)

    @cached_property
    def scratch(self) -> Path:
        """An empty local folder, gone with this object or when the process ends cleanly."""
        folder = tempfile.mkdtemp(prefix=f"{self.plate.name}-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    @property
    def run_folder(self) -> str:
        """The folder of the whole DAG run: what was frozen for it lies there."""
        return self.output.rpartition("/")[0]

    def input(self, name: str, kind: type[CardT]) -> CardT:
        """The one card of an input. Movable names are frozen for the run first."""
        address = self.addresses[name]
        if address.startswith("dataset://"):
            address = self.freeze(address, lambda: resolve_dataset(self.store, address))
        return self.card_at(name, kind, address)

    def input_cards(self, name: str, kind: type[CardT]) -> list[CardT]:
        """Every card below an input that names folders (comma-separated), in order of creation."""
        folders = self.addresses[name].split(",")
        entries = [entry for folder in folders for entry in self.store.list(folder) if entry.key.endswith(".json")]
        return [self.card_at(name, kind, entry.key) for entry in sorted(entries, key=lambda e: (e.modified, e.key))]

    def card_at(self, name: str, kind: type[CardT], address: str) -> CardT:
        """A card by address, noted as an input of what this step makes."""
        try:
            data = self.store.read(address)
        except FileNotFoundError:
            raise BadInputError(
                f"{self.plate.name}: input {name}: {self.store.url}/{address} does not exist; run the step that makes it"
            ) from None
        card = kind.from_bytes(data, address)
        self.read_cards.setdefault(name, []).append(InputCard(address=address, md5=md5_of(data)))
        return card

    def freeze(self, movable: str, resolve: Callable[[], str]) -> str:
        """What a movable name meant when this run first asked, for all its steps and retries."""
        key = f"{self.run_folder}/frozen/{clean(movable)}"
        if not self.store.exists(key):
            self.store.create(key, resolve().encode())
        return self.store.read(key).decode()

    def made(self, card: Card) -> bool:
        """Is this card from an earlier try of this very task, killed before it was published here?"""
        return (card.made_by.dag_id, card.made_by.run_id, card.made_by.step) == (
            self.who.dag_id,
            self.who.run_id,
            self.plate.name,
        )

    def made_by(self) -> MadeBy:
        """Provenance, as of now."""
        ended = datetime.now(UTC)
        duration_s = (ended - self.started_at).total_seconds()
        return MadeBy(
            step=self.plate.name,
            **vars(self.who),
            started_at=self.started_at,
            ended_at=ended,
            duration_s=round(duration_s, 1),
            cost=prices.cost_of(duration_s, gpus=prices.gpus_visible() if self.plate.gpus else 0),
        )

    def card(self, kind: type[CardT], **content: Any) -> CardT:
        """A card of what this step made, with inputs, configuration and provenance filled in."""
        inputs = {name: tuple(cards) for name, cards in self.read_cards.items()}
        return kind(made_by=self.made_by(), inputs=inputs, config=self.config.model_dump(mode="json"), **content)


def resolve_dataset(store: Store, address: str) -> str:
    """dataset://name:latest, or :alias → the key of the card of the version that it names now."""
    name = DatasetName.parse(address)
    if name.is_fixed:
        return name.card
    if name.version != "latest":
        return DatasetName(name.name, aliases.resolve(store, name.name, name.version)).card
    numbers = version_numbers(store, name.name)
    if not numbers:
        raise BadInputError(f"{address}: this dataset has no version yet; run its DAG dataset__{name.name}")
    return card_address(name.name, numbers[-1])
