"""Take in every delivery of a source that no batch has yet.

    python -m tasks.ingest_labels --output FOLDER --config '{"source": "trees", "prefix": "inbox/trees"}'

Reads   `<prefix>/<delivery>/annotations.json` (COCO; its presence says that the delivery is complete) and the images that its
        file_names say, beside it or below it. A delivery is known by the key and the ETag of its annotation file.
Writes  a label_batch card at `labels/<source>/batches/<id>.json`: those cards are the ledger of what was taken in. The
        original file and every image by content; two tables of rows as they came (include/artifacts/tables.py).

Exit 99 if nothing is pending. A delivery whose file cannot be read (not JSON, lists missing) is refused, with the reason in the
card, and the rest goes on; exit 3 if that leaves nothing. Anything smaller (a missing image, a box without numbers, an id used
twice) is kept for validate_annotations to judge. To have a delivery taken in again, change its annotations.json (the same bytes
have the same ETag) or put it under another name.
"""

from __future__ import annotations

import pyarrow as pa

from include.artifacts import LabelBatch
from include.artifacts.tables import ANNOTATIONS, IMAGES, to_parquet
from include.errors import BadInputError, NothingToDo
from include.step.run import StepRun, main
from tasks.ingest_labels.config import IngestLabels
from tasks.ingest_labels.intake import read_ledger, take_in
from tasks.ingest_labels.pending import batch_id, pending


def ingest(step: StepRun[IngestLabels]) -> LabelBatch:
    """The batch of everything pending. Raises NothingToDo."""
    config, prefix = step.config, step.config.prefix.strip("/")
    ledger = list(read_ledger(step.store, config.source))
    for batch in ledger:
        if step.made(batch):
            return batch
    found = pending(step.store.list(prefix), prefix, ledger)
    taken = [intake for entry in found if (intake := take_in(step.content, entry, config.source, prefix))]
    if not taken:
        raise NothingToDo(f"no new delivery below {step.store.url}/{prefix}; {len(ledger)} batches are in the ledger")
    images = pa.Table.from_pylist([row for intake in taken for row in intake.images], IMAGES)
    annotations = pa.Table.from_pylist([row for intake in taken for row in intake.annotations], ANNOTATIONS)
    batch = step.card(
        LabelBatch,
        source=config.source,
        batch_id=batch_id((intake.delivery.item, intake.delivery.etag) for intake in taken),
        deliveries=tuple(intake.delivery for intake in taken),
        images_table=step.content.put(to_parquet(images)),
        annotations_table=step.content.put(to_parquet(annotations)),
        images=images.num_rows,
        annotations=annotations.num_rows,
    )
    step.log.info(
        "batch %s: %d deliveries (%d refused), %d images (%d missing), %d annotations",
        batch.batch_id, len(taken), sum(d.refused is not None for d in batch.deliveries),
        batch.images, images["md5"].null_count, batch.annotations,
    )  # fmt: skip
    return batch


def refuse_empty_batch(step: StepRun[IngestLabels], batch: LabelBatch) -> None:
    """Raises BadInputError if every delivery of the batch was refused."""
    refused = [f"{delivery.item}: {delivery.refused}" for delivery in batch.deliveries if delivery.refused]
    if len(refused) == len(batch.deliveries):
        raise BadInputError(
            f"all {len(refused)} new deliveries were refused: {'; '.join(refused)}. Mend and overwrite the file: that takes it in"
        )


if __name__ == "__main__":
    main("ingest_labels", IngestLabels, ingest, after=refuse_empty_batch)
