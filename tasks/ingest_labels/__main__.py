"""Take in every finished piece of labelling work of a source that no batch has yet.

    python -m tasks.ingest_labels --output FOLDER --config '{"source": "trees", "prefix": "inbox/trees"}'

Reads   a labelling service (kind and service, see include/labelling/<kind>/connector.py; its token is VISIONLOOP_LABELS_TOKEN),
        or a bucket prefix of deliveries (include/labelling/files/connector.py). Lists what changed since the cursor, with an
        overlap; now and then all.
Writes  a label_batch card at `labels/<source>/batches/<id>.json`: those cards are the ledger of what was taken in. What came,
        every image by content; two tables of rows as they came (include/artifacts/tables.py). What was seen, in
        `labels/<source>/seen/`. For people, `FOLDER/report.html`.

Where several people labelled a picture, how far they agree is in the card, and `conflicts` in the source's section ingest_labels
says whose labels stand (tasks/ingest_labels/conflicts.py); the others are kept, with the reason in the column `conflict`.

An item whose labels changed is taken in again, and supersedes what an earlier batch has of it; what was deleted at a service is
withdrawn. Listed twice, late or out of order, killed at any point: the result is the same.

Exit 99 if nothing is pending. An item that cannot be read (not JSON, lists missing) is refused, with the reason in the card, and
the rest goes on; exit 3 if that leaves nothing. It is taken in when it changes. Anything smaller (a missing image, a box without
numbers, an id used twice) is kept for validate_annotations to judge. An item whose host does not answer, for all our patience, is
left out and stays pending, and the cursor stays before it; exit 1 if that leaves nothing, or the service cannot be listed.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from include.artifacts import LabelBatch
from include.artifacts.tables import to_parquet
from include.errors import BadInputError, NothingToDo
from include.labelling.ledger import Cursor, Ledger
from include.labelling.sources import open_source, web_for
from include.step.run import StepRun, main
from tasks.ingest_labels.config import IngestLabels
from tasks.ingest_labels.consensus import consensus
from tasks.ingest_labels.intake import Intake, Intaker
from tasks.ingest_labels.page import render
from tasks.ingest_labels.sweep import Swept, batch_id, rule_of, sweep


def ingest(step: StepRun[IngestLabels]) -> LabelBatch:
    """The batch of everything pending. Raises NothingToDo."""
    ledger = Ledger(step.store, step.config.source)
    for batch in ledger.batches:
        if step.made(batch):
            return batch
    swept, intake = asyncio.run(_take_in(step, ledger))
    if not intake.deliveries:
        if swept.cursor is not None:
            ledger.move_cursor(swept.cursor)
        raise NothingToDo(f"nothing new at {_place(step.config)}; {len(ledger.batches)} batches are in the ledger")
    images = intake.images.table()
    drawn = intake.annotations.table()
    annotations, agreement = consensus(images, drawn, step.config)
    batch = step.card(
        LabelBatch,
        source=step.config.source,
        batch_id=batch_id(ledger, intake.items),
        deliveries=tuple(intake.deliveries),
        images_table=step.content.put(to_parquet(images)),
        annotations_table=step.content.put(intake.annotations.parquet() if annotations is drawn else to_parquet(annotations)),
        images=images.num_rows,
        annotations=annotations.num_rows,
        supersedes=ledger.supersedes(intake.items),
        agreement=agreement,
        listed_until=swept.cursor.listed_until if swept.cursor else None,
        swept_at=swept.cursor.swept_at if swept.cursor else None,
    )
    _say(step, batch, images["md5"].null_count)
    step.store.write(f"{step.output}/report.html", render(batch, images, annotations))
    return batch


def _say(step: StepRun[IngestLabels], batch: LabelBatch, missing: int) -> None:
    step.log.info(
        "batch %s: %d deliveries (%d refused, %d gone, %d older batches corrected), %d images (%d missing), %d annotations",
        batch.batch_id, len(batch.deliveries), sum(d.refused is not None for d in batch.deliveries),
        sum(d.is_gone for d in batch.deliveries), len(batch.supersedes),
        batch.images, missing, batch.annotations,
    )  # fmt: skip
    if (agreement := batch.agreement) is not None:
        step.log.info(
            "%d images labelled by several people: %d of %d annotations there do not stand (%s)",
            agreement.images, sum(agreement.set_aside.values()), agreement.overall.boxes, agreement.rule,
        )  # fmt: skip


async def _take_in(step: StepRun[IngestLabels], ledger: Ledger) -> tuple[Swept, Intake]:
    config = step.config
    async with AsyncExitStack() as stack:
        web = await stack.enter_async_context(web_for(config.source, config.service)) if config.service is not None else None
        connector = open_source(step.store, config.source, config.kind, config.prefix, config.service, web)
        swept = await sweep(connector, ledger, config)
        intake = await Intaker(step.content, connector, config.source, config.parallel).take_in(swept.pending, web is not None)
        if web is not None:
            step.log.info("%s: %d requests", config.service and config.service["url"], web.requests)
        return swept.held_before(intake.left), intake


def _place(config: IngestLabels) -> str:
    return str(config.service["url"]) if config.service is not None else str(config.prefix)


def settle(step: StepRun[IngestLabels], batch: LabelBatch) -> None:
    """Once the batch stands: move the cursor. Raises BadInputError if every delivery of the batch was refused."""
    if batch.listed_until is not None and batch.swept_at is not None:
        cursor = Cursor(batch.listed_until, batch.swept_at, rule_of(step.config))
        Ledger(step.store, step.config.source).move_cursor(cursor)
    refused = [f"{delivery.item}: {delivery.refused}" for delivery in batch.deliveries if delivery.refused]
    if len(refused) == len(batch.deliveries):
        raise BadInputError(
            f"all {len(refused)} new deliveries were refused: {'; '.join(refused)}. Mend and overwrite the file: that takes it in"
        )


if __name__ == "__main__":
    main("ingest_labels", IngestLabels, ingest, after=settle)
