"""list, show, history, alias: which versions there are, and what one holds."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.dataset.app import Json, Version, app, open_here, show_json, show_table, version_at
from cli.home import say
from include.artifacts import DatasetVersion
from include.errors import BadInputError
from include.step.by_hand import person
from include.storage import Store
from include.storage.addresses import DatasetName
from include.versions import aliases
from include.versions.copies.access import accesses
from include.versions.history import datasets, read_version, version_numbers
from include.versions.keep.broken import mark_of
from include.versions.keep.touched import models_by_digest

LAST_READS = 5


@app.command("list")
def list_versions(dataset: Annotated[str | None, typer.Argument(help="only this dataset")] = None, json: Json = False) -> None:
    """Every version: images, boxes, size, what made it."""
    store = open_here()
    names = [dataset] if dataset else datasets(store)
    versions = [read_version(store, name, number) for name in names for number in version_numbers(store, name)]
    if dataset and not versions:
        raise BadInputError(f"dataset {dataset}: no version; the datasets are {', '.join(datasets(store)) or 'none'}")
    pointing = {name: aliases.current(store, name) for name in names}
    rows = [
        [
            one.label,
            sum(split.images for split in one.splits.values()), sum(split.annotations for split in one.splits.values()),
            f"{one.size_bytes / 1e6:.1f} MB", f"{one.new_bytes / 1e6:.1f} MB", one.operation,
            f"{one.made_by.ended_at:%Y-%m-%d %H:%M}", ", ".join(a for a, v in pointing[one.name].items() if v == one.version),
        ]
        for one in versions
    ]  # fmt: skip
    if json:
        return show_json([{"kind": one.kind, **one.model_dump(mode="json")} for one in versions])
    show_table(["version", "images", "boxes", "size", "new", "made by", "on", "aliases"], rows)


@app.command()
def show(version: Version, json: Json = False) -> None:
    """What one version holds, who made it, when, from what, at what cost, and which models it taught."""
    store = open_here()
    card = version_at(store, version)
    models = models_by_digest(store).get(card.digest, [])
    pointing = [alias for alias, number in aliases.current(store, card.name).items() if number == card.version]
    read_by = [one.model_dump(mode="json") for one in accesses(store, card, last=LAST_READS)]
    mark = mark_of(store, card.name, card.version)
    if json:
        broken = mark.model_dump(mode="json") if mark else None
        known = {"aliases": pointing, "models": models, "read_by": read_by, "broken": broken}
        return show_json({**card.model_dump(mode="json"), **known})
    by = card.made_by
    facts = {
        "digest": f"{card.digest}  (dvc: md5 {card.digest}.dir)",
        "made by": f"{card.operation}, started by {by.started_by}, {by.dag_id} {by.run_id}",
        "made on": f"{by.ended_at:%Y-%m-%d %H:%M:%S} UTC, in {by.duration_s:.1f} s, for {by.cost.amount:.4f} {by.cost.currency}",
        "code": by.git_commit,
        "parents": ", ".join(card.parents) or "none",
        "labels": f"{len(card.checked_labels)} batches of checked labels",
        "size": f"{card.size_bytes:,} bytes, {card.new_bytes:,} of them new",
        "aliases": ", ".join(pointing) or "none",
        "models": ", ".join(models) or "none promoted",
        "page": f"{store.url}/datasets/{card.name}/{card.version}.html",
        "read by": "; ".join(f"{one['who']} {one['when'][:10]} ({one['what']})" for one in read_by) or "nobody, by hand",
    }
    say(
        card.label
        if mark is None
        else f"{card.label}: BROKEN, {mark.damaged} damaged objects, found {mark.found_at:%Y-%m-%d} ({mark.key})"
    )
    show_table(["", ""], list(facts.items()))
    show_table(
        ["split", "images", "boxes", "groups"],
        [[name, one.images, one.annotations, one.groups] for name, one in card.splits.items()],
    )
    show_table(["class", "boxes"], list(boxes_by_class(store, card).items()))


def boxes_by_class(store: Store, card: DatasetVersion) -> dict[str, int]:
    """In the order of the dataset's classes."""
    from include.artifacts.tables import from_parquet
    from include.storage import ContentStore

    table = from_parquet(ContentStore(store).get(card.annotations_table), columns=["category_id"])
    counts = {row["values"]: row["counts"] for row in table["category_id"].value_counts().to_pylist()}
    return {name: counts.get(number, 0) for number, name in enumerate(card.classes, 1)}


@app.command()
def history(version: Version, json: Json = False) -> None:
    """Where a version comes from: its parents, and theirs, back to the first."""
    store, found = open_here(), []
    waiting = [version_at(store, version)]
    seen: set[str] = set()
    while waiting:
        card = waiting.pop(0)
        if card.standing_address not in seen:
            seen.add(card.standing_address)
            found.append(card)
            waiting += [DatasetVersion.load(store, parent) for parent in card.parents]
    if json:
        return show_json([one.model_dump(mode="json") for one in found])
    rows = [
        [one.label, one.operation, f"{one.made_by.ended_at:%Y-%m-%d %H:%M}", one.made_by.started_by,
         ", ".join(parent.removeprefix("datasets/").removesuffix(".json").replace("/", ":") for parent in one.parents)]
        for one in found
    ]  # fmt: skip
    show_table(["version", "made by", "on", "started by", "parents"], rows)


@app.command()
def alias(
    version: Version,
    name: Annotated[str | None, typer.Argument(help="the alias to point at it; none: show all moves")] = None,
    reason: Annotated[str, typer.Option(help="kept in the alias's history")] = "",
    json: Json = False,
) -> None:
    """Point a movable name at a version, or show where the names of a dataset have pointed."""
    store = open_here()
    card = version_at(store, version)
    if name is not None:
        made = aliases.move(store, card.name, name, card.version, person(), reason)
        return (
            show_json(made.model_dump(mode="json")) if json else say(f"{card.name}:{name} → {made.version} (was {made.before})")
        )
    moves = aliases.history(store, DatasetName.parse(version).name)
    if json:
        return show_json([move.model_dump(mode="json") for move in moves])
    rows = [[m.alias, m.before or "", m.version, f"{m.moved_at:%Y-%m-%d %H:%M}", m.moved_by, m.reason] for m in moves]
    show_table(["alias", "from", "to", "on", "by", "reason"], rows)
