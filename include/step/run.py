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
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from include.artifacts import KINDS, Card
from include.artifacts.base import CardT
from include.definitions.problems import flatten
from include.errors import ConfigError, NothingToDo, StepError
from include.step.garbage import look_seldom
from include.step.plate import read_plate
from include.step.step_run import Config, Identity, StepRun, resolve_dataset
from include.storage import Store, open_store
from include.storage.addresses import CARD

__all__ = ["Identity", "StepRun", "main", "publish", "resolve_dataset"]


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
    look_seldom()
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
