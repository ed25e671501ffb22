"""The shell of every step: flags in, cards out, one error line, one exit code.

    python -m tasks.<step> --input NAME=ADDRESS … --output FOLDER --config JSON

Run twice with the same output folder, a step does its work once: the card, written last and create-only, is the proof that
it is done. Run with another configuration over a finished card, it refuses (exit 2).
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from include import prices
from include.artifacts import KINDS, Card
from include.artifacts.base import CardT, InputCard, MadeBy
from include.definitions.problems import flatten
from include.errors import BadInputError, ConfigError, NothingToDo, StepError
from include.step.plate import StepPlate, read_plate
from include.storage import ContentStore, Store, open_store
from include.storage.addresses import CARD, DatasetName, clean
from include.storage.content import md5_of

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
    """dataset://name:latest → the key of the newest version's card."""
    name = DatasetName.parse(address)
    if name.version != "latest":
        return name.card
    numbers = [
        int(stem[1:])
        for entry in store.list(name.folder)
        if entry.key.endswith(".json")
        for stem in [Path(entry.key).stem]
        if stem[1:].isdigit()
    ]
    if not numbers:
        raise BadInputError(f"{address}: this dataset has no version yet; run its DAG dataset__{name.name}")
    return DatasetName(name.name, f"v{max(numbers)}").card


def publish(store: Store, card: CardT, output: str) -> CardT:
    """Write the card create-only, under its standing address first. Returns the card that stands: ours, or an earlier one."""
    for address in (card.standing_address, f"{output}/{CARD}"):
        if address is not None and not store.create(address, card.to_bytes()):
            card = type(card).load(store, address)
    return card


def _finished(step: StepRun[Any], key: str) -> Card:
    """The card of an earlier, finished try. Raises ConfigError if that was other work."""
    card = KINDS[step.plate.output].load(step.store, key)
    if card.config != step.config.model_dump(mode="json"):
        raise ConfigError(
            f"{step.plate.name}: {key} was made with another configuration; start a new run instead of repeating this one"
        )
    return card


def _run(step: StepRun[Any], work: Callable[[StepRun[Any]], Card], after: Callable[[StepRun[Any], Any], None] | None) -> None:
    key = f"{step.output}/{CARD}"
    config_hash = hashlib.sha256(step.config.model_dump_json().encode()).hexdigest()[:8]
    inputs = "  ".join(f"{name} {address}" for name, address in step.addresses.items())
    step.log.info("%s  config %s  %s", step.who.git_commit[:12], config_hash, inputs)
    if step.store.exists(key):
        card = _finished(step, key)
        step.log.info("already done: %s/%s", step.store.url, key)
    else:
        card = publish(step.store, work(step), step.output)
        step.log.info("done in %.1f s: %s/%s", (datetime.now(UTC) - step.started_at).total_seconds(), step.store.url, key)
    if after is not None:
        after(step, card)


def _parse(step: str, config: type[Config], argv: Sequence[str]) -> StepRun[Config]:
    plate = read_plate(step)
    parser = argparse.ArgumentParser(prog=f"python -m tasks.{step}")
    parser.add_argument(
        "--input", action="append", default=[], metavar="NAME=ADDRESS", help=f"one of: {', '.join(plate.inputs) or 'none'}"
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="where the card goes, below the store")
    parser.add_argument("--config", default="{}", metavar="JSON", help=f"the {step} section of a definition")
    parser.add_argument(
        "--store",
        default=os.environ.get("VISIONLOOP_STORE"),
        metavar="URL",
        help="s3://bucket/prefix or file:///folder (default: $VISIONLOOP_STORE)",
    )
    args = parser.parse_args(argv)
    addresses = dict(pair.partition("=")[::2] for pair in args.input)
    if addresses.keys() != plate.inputs.keys():
        raise ConfigError(f"{step}: got inputs {sorted(addresses)}, expected {sorted(plate.inputs)} (tasks/{step}/step.toml)")
    if not args.store:
        raise ConfigError(f"{step}: no store: set VISIONLOOP_STORE or pass --store")
    try:
        parsed = config.model_validate_json(args.config)
    except ValidationError as error:
        raise ConfigError(flatten(error, f"section {step}")) from None
    output = args.output.strip("/")
    return StepRun(plate, parsed, addresses, output, open_store(args.store), Identity.from_environment(step, output))


def main(
    step: str,
    config: type[Config],
    work: Callable[[StepRun[Config]], Card],
    after: Callable[[StepRun[Config], Any], None] | None = None,
) -> None:
    """Run one step and exit. `after` runs once the card is published, on every try: it must be safe to repeat."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"
    )
    logging.captureWarnings(True)
    try:
        _run(_parse(step, config, sys.argv[1:]), work, after)
    except NothingToDo as nothing:
        logging.getLogger(step).info("nothing to do: %s", nothing)
        sys.exit(nothing.exit_code)
    except StepError as error:
        logging.getLogger(step).error("%s", error)
        sys.exit(error.exit_code)
