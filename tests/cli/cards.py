"""One whole lineage in a store: a delivery, checked, versioned, trained, packed, scored and promoted."""

from datetime import UTC, datetime

from include.artifacts import (
    Bundle,
    Card,
    CheckedLabels,
    Checkpoint,
    DatasetVersion,
    Delivery,
    EvaluationReport,
    LabelBatch,
    Promotion,
    Reference,
    Score,
    SplitCount,
)
from include.artifacts.base import Cost, InputCard, MadeBy
from include.step.run import publish
from include.storage import Store
from include.storage.content import md5_of

X = "0" * 32


def made(step: str, run: str = "r1") -> MadeBy:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    return MadeBy(
        step=step, dag_id=f"dag_of_{step}", run_id=run, task_id=step, started_by="ada", git_commit="c0ffee", environment="lock:1",
        runtime="process", started_at=when, ended_at=when, duration_s=1, cost=Cost(amount=0.25, currency="EUR"),
    )  # fmt: skip


def put(store: Store, card: Card, dag: str, run: str) -> tuple[InputCard, ...]:
    """Publish; returns how a later card names it."""
    output = f"runs/{dag}/{run}/{card.made_by.step}"
    publish(store, card, output)
    address = card.standing_address or f"{output}/card.json"
    return (InputCard(address=address, md5=md5_of(card.to_bytes())),)


def write_lineage(store: Store, number: int = 1) -> dict[str, str]:
    """Cards of run `r<number>` for delivery batch-<number>; returns their addresses by kind."""
    run, tag = f"r{number}", f"{number:012d}"
    delivery = Delivery(
        item=f"inbox/trees/batch-{number}/annotations.json",
        name=f"batch-{number}",
        revision="e",
        state="delivered",
        original=X,
        images=3,
        annotations=9,
    )
    empty = {"inputs": {}, "config": {}}
    batch = LabelBatch(
        made_by=made("ingest_labels", run), **empty, source="trees", batch_id=tag, deliveries=(delivery,), images_table=X,
        annotations_table=X, images=3, annotations=9,
    )  # fmt: skip
    ref = {"batch": put(store, batch, "labels__trees", run)}
    checked = CheckedLabels(
        made_by=made("validate_annotations", run), inputs=ref, config={}, source="trees", batch_id=tag, images_table=X,
        annotations_table=X, findings_table=X, images_accepted=3, images_rejected=0, annotations_accepted=8,
        annotations_rejected=1, rejected_by_rule={"known_class": 1}, data_docs="d",
    )  # fmt: skip
    ref = {"labels": put(store, checked, "labels__trees", run)}
    version = DatasetVersion(
        made_by=made("build_dataset", run), inputs=ref, config={}, name="trees", version=f"v{number}", digest=X, parents=(),
        classes=("Tree",), images_table=X, annotations_table=X, splits={"test": SplitCount(images=1, annotations=2, groups=1)},
        size_bytes=100, new_bytes=100, checked_labels=(checked.standing_address,),
    )  # fmt: skip
    ref = {"dataset": put(store, version, "dataset__trees", run)}
    checkpoint = Checkpoint(
        made_by=made("train_detector", run), inputs=ref, config={}, model="trees", dataset=version.label, dataset_digest=X,
        classes=("Tree",), detector={}, best_weights=X, last_weights=X, best_epoch=1, epochs=2, metrics={"val/ap50": 0.5},
        warm_started_from=None, reference=Reference(image=X, detections=()), mlflow_run_id="m",
    )  # fmt: skip
    ref = {"checkpoint": put(store, checkpoint, "model__trees", run)}
    bundle = Bundle(
        made_by=made("pack_model", run), inputs=ref, config={}, model="trees", tag="trees:1", archive=X, archive_bytes=9,
        files={}, checkpoint=f"runs/model__trees/{run}/train_detector/card.json", dataset=version.label,
        dataset_digest=X, classes=("Tree",), mlflow_run_id="m",
    )  # fmt: skip
    key = f"runs/model__trees/{run}/pack_model/card.json"
    ref = {"bundle": put(store, bundle, "model__trees", run)}
    score = Score(
        bundle=key, ap=0.3, ap50=0.5, ap75=0.2, ar100=0.4, ap50_by_class={"Tree": 0.5}, calibration_error=0.1, images_per_s=9
    )
    report = EvaluationReport(
        made_by=made("evaluate_model", run), inputs=ref, config={}, model="trees", dataset=version.label, dataset_digest=X,
        test_images=1, test_annotations=2, challenger=score, champion=None, champion_version=None, difference=None, detections=X,
        page="p",
    )  # fmt: skip
    put(store, report, "model__trees", run)
    promotion = Promotion(
        made_by=made("promote_model", run), inputs=ref, config={}, model="trees", number=number, decision="promoted",
        reasons=("first",),
        challenger=str(number), champion_before=None, champion_after=str(number), bundle=key, ap50=0.5, champion_ap50=None,
    )  # fmt: skip
    put(store, promotion, "model__trees", run)
    return {"bundle": key, "checked": str(checked.standing_address)}
