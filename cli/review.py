"""`visionloop labels review`: what people said of a sample of the labels, and what share of all of them is wrong."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.dataset.app import Json, open_here, show_json, show_table
from cli.home import say
from cli.labels import app
from include.artifacts import SpotCheck
from include.errors import BadInputError
from include.spot_checks.of_batches import spot_check_of, spot_checks
from include.spot_checks.results import Result, read_rows, read_verdicts, record, result
from include.spot_checks.sheet import read_sheet
from include.spot_checks.sheet import sheet as made_sheet
from include.step.by_hand import person
from include.storage import Store

Change = Annotated[bool, typer.Option("--change", help="a verdict that differs from an earlier one replaces it")]
Sheet = Annotated[Path | None, typer.Option("--sheet", help="write the sheet to fill in, with what was said", metavar="OUT.csv")]


@app.command()
def review(
    source: Annotated[str, typer.Argument(help="a file name in include/sources/, without .yaml")],
    batch: Annotated[str | None, typer.Argument(help="without: every batch that a sample was drawn of")] = None,
    file: Annotated[Path | None, typer.Argument(help="a filled sheet, to record", metavar="FILE.csv")] = None,
    sheet: Sheet = None,
    change: Change = False,
    json: Json = False,
) -> None:
    """Record a person's verdicts on a spot check, and show what share of all labels is wrong."""
    store = open_here()
    if batch is None:
        return show_batches(store, source, json)
    card = spot_check_of(store, source, batch)
    rows = read_rows(store, card)
    if file is not None:
        try:
            said = read_sheet(file.read_bytes(), source, batch, rows)
        except BadInputError as error:
            raise BadInputError(f"{file}: {error}") from None
        except FileNotFoundError:
            raise BadInputError(f"{file}: no such file; write one with --sheet") from None
        new = record(store, card, said, person(), is_change=change)
        if not json:
            say(f"{new} verdicts recorded, {len(said) - new} were known, {len(rows) - len(said)} rows have none")
    if sheet is not None:
        sheet.write_bytes(made_sheet(source, batch, rows, read_verdicts(store, card)[0]))
    show(result(store, card), card, json)


def show_batches(store: Store, source: str, json: bool) -> None:
    found = [(card, result(store, card)) for card in spot_checks(store, source)]
    if json:
        return show_json([as_json(card, one) for card, one in found])
    rows = [
        [card.batch_id, f"{card.made_by.ended_at:%Y-%m-%d %H:%M}", sum(one.sampled.values()),
         sum(each.reviewed for each in one.of.values()),
         *(one.of[subject].share or "not reviewed" for subject in ("annotation", "image"))]
        for card, one in found
    ]  # fmt: skip
    show_table(["batch", "drawn", "sampled", "reviewed", "labels wrong (95%)", "pictures that miss objects"], rows)


def show(found: Result, card: SpotCheck, json: bool) -> None:
    if json:
        return show_json(as_json(card, found))
    for sentence in found.sentences():
        say(sentence)
    show_table(
        ["stratum", "of", "labels", "sampled", "reviewed", "wrong", "share wrong (95%)"],
        [[one.name, one.subject, one.population, one.sampled, one.reviewed, one.wrong, one.share or ""] for one in found.strata],
    )


def as_json(card: SpotCheck, found: Result) -> dict[str, Any]:
    return {"source": card.source, "batch": card.batch_id, "page": card.page, "sheet": card.sheet, **asdict(found)}
