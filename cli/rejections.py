"""`visionloop labels rejections`: what the checks set aside or stopped, over all batches, by rule, annotator and job."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from cli.dataset.app import Json, open_here, show_table
from cli.home import say
from cli.labels import app, known, sources
from include.artifacts.tables import FINDINGS
from include.errors import BadInputError
from include.findings import DONE, SUMMED, UNKNOWN, Checking, Sums, checkings, chosen, findings_of
from include.storage import ContentStore

ROWS, SUM_ROWS = 20, 15  # shown in a terminal
SHOWN = ("batch_id", "rule", "image_key", "annotation_id", "got", "action", "annotator", "job")
# FINDINGS, and which batch it is in
BATCH = [
    ("source", pa.string()),
    ("batch_id", pa.string()),
    ("checked_at", pa.timestamp("us", "UTC")),
    ("batch_state", pa.string()),
]
LEDGER = pa.schema([*BATCH, *FINDINGS])


class Action(StrEnum):
    """What was done about it; `all` for every finding."""

    reject = "reject"
    repair = "repair"
    warn = "warn"
    stop = "stop"
    all = "all"


REJECTIONS = (Action.reject, Action.stop)


@app.command()
def rejections(
    source: Annotated[str | None, typer.Argument(help="only this source")] = None,
    batch: Annotated[str | None, typer.Option(help="only this batch: its id, or how it starts")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="only this rule; several times for several")] = None,
    annotator: Annotated[list[str] | None, typer.Option(help="only what this person drew")] = None,
    action: Annotated[list[Action] | None, typer.Option(help="default: reject and stop")] = None,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="checked since (UTC)")] = None,
    all: Annotated[bool, typer.Option("--all", help="what was corrected or withdrawn since, too")] = False,
    parquet: Annotated[Path | None, typer.Option(help="write all rows to this file")] = None,
    json: Json = False,
) -> None:
    """What was set aside and still stands: counts by rule, annotator and job, and the first rows."""
    if source is not None:
        known(source)
    found = _batches(source, batch, since, all)
    wanted = {name: values for name, values in (("rule", rule), ("annotator", annotator)) if values}
    wanted["action"] = _actions(action or REJECTIONS)
    sums = Sums()
    rows = _counted(_rows(found, wanted, only_standing=not all), sums)
    if parquet is not None:
        _write(rows, parquet)
        say(f"{sums.rows:,} rows in {parquet}")
    elif json:
        _show_json(rows, sums)
    else:
        _show(rows, sums, len(found))


def _batches(source: str | None, batch: str | None, since: datetime | None, all: bool) -> list[tuple[ContentStore, Checking]]:
    """The newest first. Raises BadInputError for a batch that there is not."""
    store = open_here()
    content = ContentStore(store)
    found = [one for name in sources() if source in (None, name) for one in checkings(store, name)]
    found.sort(key=lambda one: one.checked_at, reverse=True)
    if batch is not None:
        matching = [one for one in found if one.card.batch_id.startswith(batch)]
        if not matching:
            last = ", ".join(f"{one.card.batch_id} ({one.card.source})" for one in found[:3]) or "none"
            raise BadInputError(f"batch {batch}: no checked batch has an id that starts so; the last ones are {last}")
        found = matching
    start = since.replace(tzinfo=UTC) if since else None
    return [(content, one) for one in found if start is None or one.checked_at >= start]


def _actions(wanted: tuple[Action, ...] | list[Action]) -> list[str]:
    """As the table has them."""
    if Action.all in wanted:
        return list(DONE)
    return [name for name in DONE if name.split()[0] in wanted]


def _rows(found: list[tuple[ContentStore, Checking]], wanted: dict[str, list[str]], only_standing: bool) -> Iterator[pa.Table]:
    """Of LEDGER, some at a time."""
    for content, one in found:
        head = [one.card.source, one.card.batch_id, one.checked_at, one.state]
        for table in findings_of(content, one, only_standing):
            rows = chosen(table, wanted)
            if len(rows):
                named = [pa.repeat(pa.scalar(value, field.type), len(rows)) for value, field in zip(head, LEDGER, strict=False)]
                yield pa.Table.from_arrays([*named, *rows.select(FINDINGS.names).columns], schema=LEDGER)


def _counted(rows: Iterator[pa.Table], sums: Sums) -> Iterator[pa.Table]:
    for table in rows:
        sums.add(table)
        yield table


def _write(rows: Iterator[pa.Table], path: Path) -> None:
    """Whole or not at all. Raises BadInputError where it cannot be written."""
    aside = path.with_name(f"{path.name}.part")
    try:
        with pq.ParquetWriter(aside, LEDGER, compression="zstd") as writer:
            for table in rows:
                writer.write_table(table)
        aside.replace(path)
    except OSError as error:
        raise BadInputError(f"--parquet {path}: cannot be written: {error.strerror or error}") from None
    finally:
        aside.unlink(missing_ok=True)


def _show_json(rows: Iterator[pa.Table], sums: Sums) -> None:
    """One object, written as it is read: the rows, then their sums."""
    typer.echo('{"rejections": [', nl=False)
    separator = "\n "
    for table in rows:
        for row in table.to_pylist():
            typer.echo(separator + json_format.dumps(row, default=str), nl=False)
            separator = ",\n "
    by = {f"by_{column}": {name: counts.total() for name, counts in sums.most(column)} for column in SUMMED}
    say("\n],\n" + json_format.dumps({"count": sums.rows, **by}, indent=1)[2:])


def _show(rows: Iterator[pa.Table], sums: Sums, batches: int) -> None:
    first: list[dict[str, Any]] = []
    for table in rows:
        first += table.slice(0, ROWS - len(first)).to_pylist()
    of = f"{batches:,} checked batch{'' if batches == 1 else 'es'}"
    if not sums.rows:
        return say(f"none in {of}")
    for column in SUMMED:
        counted = sums.most(column)
        if [name for name, _ in counted] != [UNKNOWN]:
            lines = [[name, *_three(counts)] for name, counts in counted[:SUM_ROWS]]
            show_table([column, "images", "labels", "batches"], lines)
            say(f"  and {len(counted) - SUM_ROWS:,} more\n" if len(counted) > SUM_ROWS else "")
    show_table(
        [name.replace("_", " ") for name in SHOWN], [["" if row[name] is None else row[name] for name in SHOWN] for row in first]
    )
    say(f"{sums.rows:,} rows of {of}" + (": --parquet FILE has them all" if sums.rows > ROWS else ""))


def _three(counts: Any) -> Iterator[int]:
    """Of images, of labels, of whole batches."""
    return (sum(count for (subject, _), count in counts.items() if subject == one) for one in ("image", "annotation", "batch"))
