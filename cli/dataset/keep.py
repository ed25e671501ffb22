"""verify, gc: that every version keeps every byte, and that nothing else is kept."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from cli.dataset.app import Json, app, open_here, show_json, show_table
from cli.dataset.files import log_here
from cli.home import say
from include.errors import BadInputError, ConfigError
from include.step.by_hand import person
from include.step.step_run import resolve_dataset
from include.versions.keep.broken import verify_and_mark
from include.versions.keep.garbage import DEFAULT_GRACE, Swept, collect_garbage
from include.versions.keep.health import Verified
from include.versions.keep.verify import version_keys

SHOWN = 20
Deep = Annotated[bool, typer.Option("--deep", help="read everything, also what the bucket's listing proves")]


@app.command()
def verify(
    version: Annotated[str | None, typer.Argument(help="<dataset>:v<number>, …:latest or …:<alias>", metavar="VERSION")] = None,
    everything: Annotated[bool, typer.Option("--all", help="every version of every dataset")] = False,
    deep: Deep = False,
    json: Json = False,
) -> None:
    """Is every byte there, whole and unchanged? Marks what is broken, lifts the marks of what is whole again. Exit 3: broken."""
    if (version is None) != everything:
        raise ConfigError("dataset verify: expected a version, or --all")
    log_here()
    store = open_here()
    keys = [resolve_dataset(store, version)] if version else version_keys(store)
    verified, mended = verify_and_mark(store, keys, f"by hand: {person()}", deep)
    if json:
        show_json(as_json(verified, mended))
    else:
        show(verified, mended)
    if verified.broken:
        raise BadInputError(f"{len(verified.broken)} of {len(verified.versions)} versions are damaged, and marked as broken")


def as_json(verified: Verified, mended: list[str]) -> dict[str, object]:
    broken = [
        {"version": one.label, "models": one.models, "aliases": one.aliases, "damages": [d.model_dump() for d in one.damages]}
        for one in verified.broken
    ]
    return {
        "versions": [one.label for one in verified.versions], "objects": verified.objects,
        "objects_read": verified.objects_read, "etags_trusted": verified.etags_trusted, "mended": mended, "broken": broken,
    }  # fmt: skip


def show(verified: Verified, mended: list[str]) -> None:
    """What was looked at, and every broken version with its first damages."""
    trusted = "ETags are md5s here" if verified.etags_trusted else "ETags prove nothing here"
    say(f"{len(verified.versions)} versions, {verified.objects:,} objects, {verified.objects_read:,} of them read ({trusted})")
    for label in mended:
        say(f"{label} is whole again: its mark is lifted")
    for one in verified.broken:
        say(f"\n{one.label}: {len(one.damages)} damaged objects; models: {', '.join(one.models) or 'none'}; "
            f"aliases: {', '.join(one.aliases) or 'none'}")  # fmt: skip
        rows = [[damage.relpath, damage.what, damage.key, damage.expected, damage.got] for damage in one.damages[:SHOWN]]
        show_table(["path", "damage", "object", "expected", "got"], rows)


@app.command()
def gc(
    delete: Annotated[bool, typer.Option("--delete", help="do it; else only say what would be done")] = False,
    grace: Annotated[
        float, typer.Option(min=1, help="days: objects younger than this are kept, and condemned ones for so long again")
    ] = DEFAULT_GRACE / timedelta(days=1),
    json: Json = False,
) -> None:
    """Delete stored bytes that no version, run or registered model names: condemned by one run, deleted by one a grace later."""
    store = open_here()
    swept = collect_garbage(store, timedelta(days=grace), delete, named_in_mlflow())
    if json:
        return show_json({"dry_run": not delete, "grace_days": grace, **asdict(swept)})
    show_table(["", "objects", "bytes"], gc_rows(swept, delete))
    if not delete and swept.condemned + swept.deleted:
        say("nothing was changed: --delete does it")


def named_in_mlflow() -> Iterable[str]:
    """What registered models name: sources and tags. Nothing where there is no MLflow."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return ()
    from include.lineage import Lineage  # mlflow: a second that only gc need wait for

    return Lineage().registered()


def gc_rows(swept: Swept, delete: bool) -> list[list[object]]:
    would = "" if delete else "would be "
    return [
        ["stored", swept.objects, swept.objects_bytes],
        ["unnamed, but young", swept.young, swept.young_bytes],
        [f"{would}condemned", swept.condemned, swept.condemned_bytes],
        ["condemned, waiting", swept.waiting, swept.waiting_bytes],
        [f"{would}deleted", swept.deleted, swept.deleted_bytes],
    ]
