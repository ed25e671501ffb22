"""adopt, import, export: from files to versions and back, in any label format."""

from __future__ import annotations

import json as json_text
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cli.dataset.app import Json, Version, app, open_here, version_at
from cli.dataset.change import Near, derive_by_hand, tell
from cli.home import say
from include.definitions.problems import flatten
from include.errors import ConfigError
from include.formats import FORMATS
from include.step.by_hand import step_by_hand
from include.step.run import publish
from include.storage import ContentStore
from include.versions.compare.card_page import publish_page
from include.versions.copies.export import export as export_version
from include.versions.copies.records import export_records
from include.versions.import_folder import ImportDataset, import_folder

EXPORTS = (*FORMATS, "tfrecord")
Name = Annotated[str, typer.Option("--name", help="the dataset that gets the version")]
Format = Annotated[str | None, typer.Option("--format", help=f"of the labels: {', '.join(FORMATS)}; none: no labels")]
LabelPaths = Annotated[list[str] | None, typer.Option("--labels", help="label files or folders (default: beside the images)")]
Classes = Annotated[str | None, typer.Option("--classes", help="in order, with commas (default: the labels', by name)")]
Split = Annotated[str | None, typer.Option("--split", help="train,val,test shares of the groups (default: as stated)")]
Group = Annotated[str | None, typer.Option("--group", help="folder, regex:<pattern> or attribute:<name>")]
Outside = Annotated[str, typer.Option("--boxes-outside", help="refuse, clip or leave_out")]


def log_here() -> logging.Logger:
    """Progress on stderr: results alone are on stdout."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    return logging.getLogger("visionloop")


def rules(format_: str | None, labels: list[str] | None, classes: str | None, split: str | None,
          group: str | None, outside: str) -> dict[str, Any]:  # fmt: skip
    """The options as an operation's parameters."""
    format_ = None if format_ == "none" else format_
    asked: dict[str, Any] = {"format": format_, "labels": labels or (), "group": group, "boxes_outside": outside}
    if classes:
        asked["classes"] = [name.strip() for name in classes.split(",")]
    if split:
        try:
            asked["split"] = dict(zip(("train", "val", "test"), map(float, split.split(",")), strict=True))
        except ValueError:
            raise ConfigError(f"--split: got {split!r}, expected three shares, e.g. 0.8,0.1,0.1") from None
    return asked


@app.command()
def adopt(
    prefix: Annotated[str, typer.Argument(help="a folder of the store with images")], name: Name, format_: Format = None,
    labels: LabelPaths = None, classes: Classes = None, split: Split = None, group: Group = None, outside: Outside = "refuse",
    copy: Annotated[bool, typer.Option("--copy", help="also to files/md5, so that a stock dvc can pull it")] = False,
    near: Near = "block", json: Json = False,
) -> None:  # fmt: skip
    """Make a version of files that are in the bucket already; their bytes stay where they are."""
    log_here()
    asked = rules(format_, labels, classes, split, group, outside)
    derive_by_hand([], {"operation": "adopt", "prefix": prefix, "copy": copy, **asked}, name, near, json)


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="on this machine: images, and labels beside them")], name: Name,
    format_: Format = None, labels: LabelPaths = None, classes: Classes = None, split: Split = None, group: Group = None,
    outside: Outside = "refuse", near: Near = "block", json: Json = False,
) -> None:  # fmt: skip
    """Make a version of a folder on this machine: what the store has not is sent."""
    log_here()
    store = open_here()
    asked = {"folder": str(folder.resolve()), **rules(format_, labels, classes, split, group, outside)}
    try:
        config = ImportDataset.model_validate({"name": name, "do": asked, "near_duplicates": {"action": near}})
    except ValidationError as error:
        raise ConfigError(flatten(error, "dataset import")) from None
    step = step_by_hand("derive_dataset", config, store, {"parents": ""})
    version = publish(store, import_folder(step), step.output)
    publish_page(step, version)
    tell(version, json)


@app.command()
def export(
    version: Version, folder: Annotated[Path, typer.Argument(help="new, empty, or begun by the same export")],
    format_: Annotated[str, typer.Option("--format", help=", ".join(EXPORTS))] = "coco", json: Json = False,
) -> None:  # fmt: skip
    """Write a version's images and labels into a folder; started again, it goes on."""
    log, store = log_here(), open_here()
    if format_ not in EXPORTS:
        raise ConfigError(f"--format: got {format_!r}, expected one of {', '.join(EXPORTS)}")
    card, content = version_at(store, version), ContentStore(store)
    if known := [one for one in FORMATS if one == format_]:
        counts = export_version(content, card, folder, known[0], log)
    else:
        counts = export_records(content, card, folder, log)
    if json:
        return say(json_text.dumps(counts))
    say(f"{card.label} in {folder}")
    for what, count in counts.items():
        say(f"  {what}: {count}")
