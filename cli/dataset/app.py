"""What all `visionloop dataset` commands share: the app, the store, and how results are shown."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.home import connect, say
from include.artifacts import DatasetVersion
from include.step.step_run import resolve_dataset
from include.storage import Store, open_store

app = typer.Typer(help="Dataset versions: look, compare, derive, copy, check.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="for scripts")]
Version = Annotated[str, typer.Argument(help="<dataset>:v<number>, <dataset>:latest or <dataset>:<alias>", metavar="VERSION")]


def open_here() -> Store:
    """The store that the environment names, or the embedded stack's."""
    connect()
    return open_store(os.environ["VISIONLOOP_STORE"])


def version_at(store: Store, name: str) -> DatasetVersion:
    """The card of a version by any of its names."""
    return DatasetVersion.load(store, resolve_dataset(store, name))


def show_json(content: Any) -> None:
    say(json.dumps(content, indent=1, default=str))


def show_table(head: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    """Cells that are numbers stand right."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column, name in enumerate(head):
        is_number = all(isinstance(row[column], int | float) for row in rows)
        table.add_column(name, justify="right" if is_number and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    Console(highlight=False).print(table)
