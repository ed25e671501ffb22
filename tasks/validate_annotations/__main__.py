"""Tell the labels that may teach from those that break a rule, and set the latter aside with rule, owner, got and expected.

    python -m tasks.validate_annotations --input batch=KEY --output FOLDER --config '{"source": "trees", "owner": "…",
        "classes": {"Alive": "Tree"}, …}'

Reads   a label_batch, and decodes each of its images.
Writes  a checked_labels card at `labels/<source>/checked/<batch>.json`: accepted images and annotations (class names as in
        datasets, sizes as the pictures have them), the rejected table, and Data Docs under `FOLDER/data_docs/`.

Rules for images: image_present, image_readable, image_size_as_stated, image_unique. For annotations: known_image,
shape_has_a_box, box_finite, box_positive_area, box_inside_image, box_min_side, known_class, annotators_agree; and among those
that pass, unique_annotation_id and no_duplicate_box. Each row is set aside under the first rule it breaks; an image's
annotations go with it, under its rule. Where the same picture is in two deliveries, the later one's labels stand, as in two
batches; within one, the first's. Where different people labelled it, ingest_labels has said whose labels stand, and has put
them to the picture that does.

Bad labels are no error: the step ends with 0 and says how many. A rule that itself crashes is one.
"""

from __future__ import annotations

from collections import Counter

from include.artifacts import CheckedLabels, LabelBatch
from include.artifacts.tables import from_parquet, to_parquet
from include.errors import ConfigError
from include.step.run import StepRun, main
from tasks.validate_annotations.config import ValidateAnnotations
from tasks.validate_annotations.data_docs import pages
from tasks.validate_annotations.pictures import as_seen, look_at_all
from tasks.validate_annotations.suite import Suites
from tasks.validate_annotations.validate import Divided, divide

FIRST = 20


def validate(step: StepRun[ValidateAnnotations]) -> CheckedLabels:
    """The batch, divided. Raises ConfigError if the batch is another source's."""
    batch = step.input("batch", LabelBatch)
    if batch.source != step.config.source:
        raise ConfigError(f"{step.addresses['batch']}: a batch of source {batch.source}, expected {step.config.source}")
    images = from_parquet(step.content.get(batch.images_table))
    annotations = from_parquet(step.content.get(batch.annotations_table))
    suites = Suites(step.scratch, batch.batch_id, batch.made_by.ended_at)
    pictures = look_at_all(step.content.get, images["md5"].unique().to_pylist(), step.config.max_image_megapixels, step.log)
    divided = divide(images, annotations, pictures, step.config, suites.broken)
    _say(step, divided)
    subjects = Counter(divided.rejected["subject"].to_pylist())
    return step.card(
        CheckedLabels,
        source=batch.source,
        batch_id=batch.batch_id,
        images_table=step.content.put(to_parquet(as_seen(divided.images, pictures))),
        annotations_table=step.content.put(to_parquet(divided.annotations)),
        findings_table=step.content.put(to_parquet(divided.rejected)),
        images_accepted=divided.images.num_rows,
        images_rejected=subjects["image"],
        annotations_accepted=divided.annotations.num_rows,
        annotations_rejected=subjects["annotation"],
        rejected_by_rule=dict(Counter(divided.rejected["rule"].to_pylist())),
        data_docs=_write_docs(step, batch, suites, divided),
        supersedes=batch.supersedes,
    )


def _write_docs(step: StepRun[ValidateAnnotations], batch: LabelBatch, suites: Suites, divided: Divided) -> str:
    """The key of the Data Docs' first page."""
    for name, content in pages(suites.build_docs(), batch, suites.asked, divided.rejected).items():
        step.store.write(f"{step.output}/data_docs/{name}", content)
    return f"{step.output}/data_docs/index.html"


def _say(step: StepRun[ValidateAnnotations], divided: Divided) -> None:
    """Counts per rule and the first rejections, whole."""
    rejected = divided.rejected.to_pylist()
    for rule, count in Counter(row["rule"] for row in rejected).most_common():
        step.log.warning("%s: %d set aside", rule, count)
    for row in rejected[:FIRST]:
        step.log.warning("  %s %s: %s: got %s; expected %s", row["subject"], row["key"], row["rule"], row["got"], row["expected"])
    if len(rejected) > FIRST:
        step.log.warning("  … and %d more: see the Data Docs", len(rejected) - FIRST)
    step.log.info(
        "accepted %d images and %d annotations; set aside %d",
        divided.images.num_rows, divided.annotations.num_rows, len(rejected),
    )  # fmt: skip


if __name__ == "__main__":
    main("validate_annotations", ValidateAnnotations, validate)
