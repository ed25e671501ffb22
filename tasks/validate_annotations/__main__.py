"""Tell the labels that may teach from those that break a rule: reject, repair, warn or stop, and say which, whose and why.

    python -m tasks.validate_annotations --input batch=KEY --output FOLDER --config '{"source": "trees", "owner": "…",
        "classes": {"Alive": "Tree"}, "suites": ["detector"], "rules": {"box_min_side": {"min_side_px": 2}}}'

Reads   a label_batch, and decodes each of its images (unless `image_readable` and `image_size_as_stated` are both off); and the
        checked_labels of the last batch of the source that had some, which the batch's classes and counts are compared with.
Writes  a checked_labels card at `labels/<source>/checked/<batch>.json`: accepted images and annotations (class names as in
        datasets, sizes as the pictures have them, boxes as repaired), the findings, and Data Docs under `FOLDER/data_docs/`.

The rules are those of the suites in include/expectations/; include/checks/catalogue.py lists all there are, in the order in which
they are asked. A row that is set aside has one finding, by the first rule it breaks; an image's annotations go with it, under its
rule. Where the same picture is in two deliveries, the later one's labels stand, as in two batches; within one, the first's. Where
different people labelled it, ingest_labels has said whose labels stand, and has put them to the picture that does.

Bad labels are no error: the step ends with 0 and says how many. A rule or gate that says `stop` is: findings and Data Docs are
published (`labels/<source>/stopped/<batch>.json`), no checked labels are, and the step ends with 3. Then mend the labels and
deliver them again, or change the rule, or let the batch through with a reason: DAG labels_again__<source>, or
`"let_through_because": "…"` by hand. A rule that crashes is a bug (1).
"""

from __future__ import annotations

from itertools import islice

from include.artifacts import CheckedLabels, LabelBatch, LetThrough, StoppedLabels
from include.artifacts.tables import ANNOTATIONS, FINDINGS, IMAGES
from include.errors import BadInputError, ConfigError
from include.step.run import StepRun, main
from tasks.validate_annotations.asking import Coming
from tasks.validate_annotations.batch import Parent
from tasks.validate_annotations.config import ValidateAnnotations
from tasks.validate_annotations.data_docs.publish import publish
from tasks.validate_annotations.pictures import Picture, look_at_all
from tasks.validate_annotations.stream import IMAGES_AT_ONCE, Parts, at_hand, parts_of_file
from tasks.validate_annotations.validate import Divided, divide

FIRST = 20
NONE = "none"
NEEDS_PICTURES = {"image_readable", "image_size_as_stated"}


def validate(step: StepRun[ValidateAnnotations]) -> CheckedLabels:
    """The batch, divided. Raises ConfigError if it is another source's, BadInputError if a rule or gate stops it."""
    batch = step.input("batch", LabelBatch)
    if batch.source != step.config.source:
        raise ConfigError(f"{step.addresses['batch']}: a batch of source {batch.source}, expected {step.config.source}")
    coming = Coming(step.scratch / "questions", batch.batch_id, batch.made_by.ended_at)
    images_in = step.content.to_file(batch.images_table, step.scratch / "images_in.parquet")
    annotations_in = step.content.to_file(batch.annotations_table, step.scratch / "annotations_in.parquet")
    images = at_hand(parts_of_file(images_in, IMAGES, IMAGES_AT_ONCE))
    annotations = parts_of_file(annotations_in, ANNOTATIONS)
    pictures = _pictures(step, images)
    (step.scratch / "divided").mkdir()
    divided = divide(images, annotations, pictures, step.config, coming.broken, step.scratch / "divided", _parent(step, batch))
    _say(step, divided)
    data_docs = publish(step, batch, images_in, annotations_in, coming.suites(), divided)
    if divided.stopped_by and not step.config.let_through_because:
        _stop(step, batch, divided, data_docs)
    return _card(step, batch, divided, data_docs)


def _card(step: StepRun[ValidateAnnotations], batch: LabelBatch, divided: Divided, data_docs: str) -> CheckedLabels:
    reason = step.config.let_through_because
    return step.card(
        CheckedLabels,
        source=batch.source,
        batch_id=batch.batch_id,
        images_table=step.content.put_file(divided.path("images")),
        annotations_table=step.content.put_file(divided.path("annotations")),
        findings_table=step.content.put_file(divided.path("findings")),
        images_accepted=divided.images,
        images_rejected=divided.rejected("image"),
        annotations_accepted=divided.annotations,
        annotations_rejected=divided.rejected("annotation"),
        accepted_by_class=divided.accepted_by_class,
        rejected_by_rule=divided.by_rule("reject image", "reject annotation"),
        repaired_by_rule=divided.by_rule("repair"),
        warned_by_rule=divided.by_rule("warn"),
        suites=step.config.in_use.suites,
        stopped_by=divided.stopped_by,
        let_through=LetThrough(person=step.who.started_by, reason=reason) if reason and divided.stopped_by else None,
        data_docs=data_docs,
        supersedes=batch.supersedes,
    )


def _pictures(step: StepRun[ValidateAnnotations], images: Parts) -> dict[str, Picture] | None:
    """Every distinct image of the batch, decoded; None where no rule asks what the pictures are really like."""
    told = {rule.name: rule.parameters for rule in step.config.in_use.rules if rule.name in NEEDS_PICTURES}
    if not told:
        return None
    most = told.get("image_readable", {}).get("max_image_megapixels", float("inf"))
    md5s = (md5 for part in images.read({"md5"}) for md5 in part["md5"].to_pylist())
    return look_at_all(step.content.get, md5s, most, step.log)


def _parent(step: StepRun[ValidateAnnotations], batch: LabelBatch) -> Parent | None:
    """The last batch of the source that has labels, as of this run's first try: a later one compares with the same."""

    def last() -> str:
        found = sorted(
            step.store.list(f"labels/{batch.source}/checked"), key=lambda entry: (entry.modified, entry.key), reverse=True
        )
        for entry in found:
            if entry.key.endswith(".json") and not entry.key.endswith(f"/{batch.batch_id}.json"):
                card = CheckedLabels.load(step.store, entry.key)
                if card.accepted_by_class and batch.made_by.ended_at > card.made_by.started_at:
                    return entry.key
        return NONE

    address = step.freeze(f"the batch before {batch.batch_id}", last)
    if address == NONE:
        return None
    card = step.card_at("parent", CheckedLabels, address)
    return Parent(f"batch {card.batch_id}", card.images_accepted, card.accepted_by_class)


def _stop(step: StepRun[ValidateAnnotations], batch: LabelBatch, divided: Divided, data_docs: str) -> None:
    """What was found is kept where people ask for it. Raises BadInputError."""
    card = step.card(
        StoppedLabels,
        source=batch.source,
        batch_id=batch.batch_id,
        findings_table=step.content.put_file(divided.path("findings")),
        suites=step.config.in_use.suites,
        stopped_by=divided.stopped_by,
        data_docs=data_docs,
        supersedes=batch.supersedes,
    )
    step.store.write(card.standing_address, card.to_bytes())  # the last stop of a batch stands
    raise BadInputError(
        f"batch {batch.batch_id} of source {batch.source} is stopped by {'; '.join(divided.stopped_by)}. See {data_docs}. Mend "
        f"the labels and deliver them again; or change the rule in include/expectations/ or include/sources/{batch.source}.yaml; "
        f"or let the batch through: DAG labels_again__{batch.source}, batch {batch.batch_id}, with a reason"
    )


def _say(step: StepRun[ValidateAnnotations], divided: Divided) -> None:
    """Counts per rule and the first findings, whole."""
    for (subject, action, rule), count in sorted(divided.counts.items(), key=lambda one: (-one[1], one[0])):
        step.log.warning("%s: %d × %s", rule, count, action if " " in action else f"{action} {subject}")
    parts = parts_of_file(divided.path("findings"), FINDINGS, rows=FIRST)
    for row in islice((row for part in parts.read(FINDINGS.names) for row in part.to_pylist()), FIRST):
        step.log.warning("  %s %s: %s: got %s; expected %s", row["subject"], row["key"], row["rule"], row["got"], row["expected"])
    if (more := sum(divided.counts.values()) - FIRST) > 0:
        step.log.warning("  … and %d more: see the Data Docs", more)
    step.log.info(
        "accepted %d images and %d annotations; set aside %d and %d",
        divided.images, divided.annotations, divided.rejected("image"), divided.rejected("annotation"),
    )  # fmt: skip


if __name__ == "__main__":
    main("validate_annotations", ValidateAnnotations, validate)
