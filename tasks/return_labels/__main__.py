"""Tell annotators which of their labels were rejected, and open the work again where the service can.

    python -m tasks.return_labels --input batch=KEY --input checked=KEY --output FOLDER --config '{"source": "trees",
        "kind": "cvat", "service": {"url": "…", "project": 3}}'

Reads   a label_batch and the checked_labels made of it. The service's token is VISIONLOOP_LABELS_TOKEN.
Writes  a label_return card at `labels/<source>/returned/<batch>.json`, and `report.html` with the pictures. At the service: CVAT
        gets an issue on the job, which is reopened; Label Studio a comment or a note on the task; Sama a rejected task
        (include/labelling/<kind>/connector.py says what each does).

Killed and run again, nothing is said twice: every objection carries a mark by which it is found again at the service.
Exit 99 if nothing was rejected that an annotator could mend. Exit 2 if the service takes nothing back.
"""

from __future__ import annotations

import os

from include.artifacts import CheckedLabels, LabelBatch, LabelReturn
from include.artifacts.tables import from_parquet
from include.errors import NothingToDo
from include.labelling.giving_back import tell
from include.step.run import StepRun, main
from tasks.return_labels.config import ReturnLabels
from tasks.return_labels.objections import Objections, objections, wanted
from tasks.return_labels.report import boxes_of, report


def give_back(step: StepRun[ReturnLabels]) -> LabelReturn:
    """What the service was told. Raises NothingToDo, or ConfigError where it takes nothing back."""
    config = step.config
    batch, checked = step.input("batch", LabelBatch), step.input("checked", CheckedLabels)
    items = {delivery.name: delivery.item for delivery in batch.deliveries}
    pages = os.environ.get("VISIONLOOP_PAGES")  # where people see what steps write; by hand, nowhere
    page = f"{pages}/artifacts/{step.output}/report.html" if pages else None
    found = wanted(step.content.get(checked.findings_table), config.actions)
    said = objections(found, items, config.source, config.rules, page)
    if not said.of:
        count = said.left_out.total()
        raise NothingToDo(f"{count} findings to give back, none that an annotator could mend: {dict(said.left_out)}")
    _write_report(step, batch, said)
    answers = tell("return_labels", config.source, config.kind, config.service, said.of)
    for one in answers:
        step.log.info("%s: %d objections: %s", one.item, one.objections, one.answer)
    return step.card(
        LabelReturn, source=config.source, batch_id=batch.batch_id, returned=tuple(answers), left_out=dict(said.left_out),
        report=f"{step.output}/report.html",
    )  # fmt: skip


def _write_report(step: StepRun[ReturnLabels], batch: LabelBatch, said: Objections) -> None:
    images = from_parquet(step.content.get(batch.images_table), ["image_key", "md5"]).to_pylist()
    columns = ["image_key", "annotation_id", "x_px", "y_px", "width_px", "height_px"]
    boxes = boxes_of(from_parquet(step.content.get(batch.annotations_table), columns).to_pylist())
    md5s = {row["image_key"]: row["md5"] for row in images}
    step.store.write(f"{step.output}/report.html", report(step.config.source, step.content, said.of, said.images, md5s, boxes))


if __name__ == "__main__":
    main("return_labels", ReturnLabels, give_back)
