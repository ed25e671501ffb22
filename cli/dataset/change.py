"""filter, exclude, merge (and every other operation): a new version from others. Nothing that stands is changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cli.dataset.app import Json, Version, app, open_here, show_json
from cli.home import say
from cli.summary import outcome
from include.artifacts import DatasetVersion
from include.definitions.problems import flatten
from include.errors import ConfigError
from include.step.by_hand import step_by_hand
from include.step.run import publish
from include.storage.addresses import DatasetName
from include.versions.compare.card_page import publish_page
from include.versions.derive import DeriveDataset, derive

Name = Annotated[str | None, typer.Option("--name", help="the dataset that gets the version (default: the first parent's)")]
Where = Annotated[
    list[str],
    typer.Option("--where", help="<column> <is> <value>, e.g. 'site == north', 'width_px >= 32', 'annotator in ann,bob'"),
]


Near = Annotated[
    str, typer.Option("--near-duplicates", help="pictures that look the same in different splits: block, report or off")
]


def derive_by_hand(parents: Sequence[str], do: dict[str, Any], name: str | None, near: str, as_json: bool) -> None:
    """Make the version and say what came of it."""
    store = open_here()
    named = name or (DatasetName.parse(parents[0]).name if parents else None)
    try:
        config = DeriveDataset.model_validate({"name": named, "do": do, "near_duplicates": {"action": near}})
    except ValidationError as error:
        raise ConfigError(flatten(error, f"dataset {do['operation']}")) from None
    addresses = ",".join(f"dataset://{parent.removeprefix('dataset://')}" for parent in parents)
    step = step_by_hand("derive_dataset", config, store, {"parents": addresses})
    version = publish(store, derive(step), step.output)
    publish_page(step, version)
    tell(version, as_json)


def tell(version: DatasetVersion, as_json: bool) -> None:
    """What came of an operation."""
    if as_json:
        return show_json(version.model_dump(mode="json"))
    say(outcome(version))
    for what, count in version.counts.items():
        say(f"  {what.replace('_', ' ')}: {count}")


@app.command("filter")
def keep_only(version: Version, where: Where, name: Name = None, near: Near = "block", json: Json = False) -> None:
    """Keep only what meets every condition."""
    derive_by_hand([version], {"operation": "filter", "where": where}, name, near, json)


@app.command()
def exclude(version: Version, where: Where, name: Name = None, near: Near = "block", json: Json = False) -> None:
    """Leave out what meets every condition."""
    derive_by_hand([version], {"operation": "exclude", "where": where}, name, near, json)


@app.command()
def merge(
    versions: Annotated[
        list[str], typer.Argument(help="two or more; their order is that of `first` and `last`", metavar="VERSION…")
    ],
    labels: Annotated[str, typer.Option(help="whose labels stand on an image of several: first, last, union or error")] = "last",
    splits: Annotated[
        str, typer.Option(help="of images in different splits: protect (test before val before train) or error")
    ] = "protect",
    rename: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="[<parent>/]<class>=<new name>, as car=vehicle or signs:v2/pole=post; nothing after = drops it"
        ),
    ] = None,
    classes: Annotated[str | None, typer.Option(help="of the result, in order, comma-separated")] = None,
    name: Name = None,
    near: Near = "block",
    json: Json = False,
) -> None:
    """One version from several. The same image is taken once; none leaves the test split."""
    do: dict[str, Any] = {"operation": "merge", "labels": labels, "splits": splits, "map": {}, "map_of": {}}
    for one in rename or ():
        parent, old, new = parse_rename(one)
        (do["map_of"].setdefault(parent, {}) if parent else do["map"])[old] = new
    if classes:
        do["classes"] = classes.split(",")
    derive_by_hand(versions, do, name, near, json)


def parse_rename(text: str) -> tuple[str | None, str, str | None]:
    """`signs:v2/pole=post` → parent, old class, new class. A class may hold a slash where no parent stands before it."""
    old, equals, new = text.partition("=")
    if not equals or not old:
        raise ConfigError(f"--map: got {text!r}, expected [<parent>/]<old class>=<new class>, or <old class>= to drop its boxes")
    found = re.fullmatch(r"([a-z][a-z0-9_-]*(?::v[1-9][0-9]*)?)/(.+)", old)
    return (found[1], found[2], new or None) if found else (None, old, new or None)
