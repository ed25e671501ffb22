"""filter, exclude (and every other operation): a new version from others. Nothing that stands is changed."""

from __future__ import annotations

import json as json_text
import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cli.dataset.app import Json, Version, app, open_here, show_json
from cli.home import say
from cli.summary import outcome
from include.definitions.problems import flatten
from include.errors import ConfigError
from include.step.by_hand import step_by_hand
from include.step.run import publish
from include.storage.addresses import DatasetName
from include.versions.card_page import publish_page
from include.versions.derive import DeriveDataset, derive

Name = Annotated[str | None, typer.Option("--name", help="the dataset that gets the version (default: the first parent's)")]
Where = Annotated[
    list[str],
    typer.Option("--where", help="<column> <is> <value>, e.g. 'site == north', 'width_px >= 32', 'annotator in ann,bob'"),
]


def derive_by_hand(parents: Sequence[str], do: dict[str, Any], name: str | None, as_json: bool) -> None:
    """Make the version and say what came of it."""
    store = open_here()
    named = name or (DatasetName.parse(parents[0]).name if parents else None)
    try:
        config = DeriveDataset.model_validate({"name": named, "do": do})
    except ValidationError as error:
        raise ConfigError(flatten(error, f"dataset {do['operation']}")) from None
    addresses = ",".join(f"dataset://{parent.removeprefix('dataset://')}" for parent in parents)
    step = step_by_hand("derive_dataset", config, store, {"parents": addresses})
    version = publish(store, derive(step), step.output)
    publish_page(step, version)
    if as_json:
        return show_json(version.model_dump(mode="json"))
    say(outcome(version))
    for what, count in version.counts.items():
        say(f"  {what.replace('_', ' ')}: {count}")


def condition(text: str) -> dict[str, Any]:
    """`site == north` → what the filter operation is told."""
    found = re.fullmatch(r"\s*(\S+)\s*(==|!=|<=|>=|<|>|\bnot in\b|\bin\b|\bcontains\b)\s*(.+?)\s*", text)
    if not found:
        raise ConfigError(f"--where: got {text!r}, expected <column> ==|!=|<|<=|>|>=|in|not in|contains <value>")
    column, comparison, value = found.groups()
    several = [plain(one) for one in value.split(",")]
    return {"column": column, "is": comparison, "value": several if comparison.endswith("in") else plain(value)}


def plain(text: str) -> Any:
    """A number or a truth value where the text is one; else the text."""
    try:
        value = json_text.loads(text)
    except ValueError:
        return text.strip().strip("'\"")
    return value if isinstance(value, int | float | bool | str) else text.strip()


@app.command("filter")
def keep_only(version: Version, where: Where, name: Name = None, json: Json = False) -> None:
    """Keep only what meets every condition."""
    derive_by_hand([version], {"operation": "filter", "where": [condition(one) for one in where]}, name, json)


@app.command()
def exclude(version: Version, where: Where, name: Name = None, json: Json = False) -> None:
    """Leave out what meets every condition."""
    derive_by_hand([version], {"operation": "exclude", "where": [condition(one) for one in where]}, name, json)
