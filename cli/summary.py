"""What came of it, in words: for each card a line, for the whole loop a page."""

from __future__ import annotations

from functools import singledispatch

from cli.home import Stack
from include.artifacts import (
    Bundle,
    Card,
    CheckedLabels,
    Checkpoint,
    DatasetVersion,
    EvaluationReport,
    LabelBatch,
    ParityReport,
    Promotion,
)  # fmt: skip
from include.storage import Store
from include.versions.history import read_version, version_numbers


@singledispatch
def outcome(card: Card) -> str:
    """A card in a few words."""
    return card.kind


@outcome.register
def _(card: LabelBatch) -> str:
    refused = sum(1 for one in card.deliveries if one.refused)
    return f"{card.images} images, {card.annotations} boxes" + (f", {refused} deliveries refused" if refused else "")


@outcome.register
def _(card: CheckedLabels) -> str:
    rules = ", ".join(f"{rule} {count}" for rule, count in sorted(card.rejected_by_rule.items()))
    return f"{card.annotations_accepted} boxes accepted, {card.annotations_rejected} rejected" + (f" ({rules})" if rules else "")


@outcome.register
def _(card: DatasetVersion) -> str:
    splits = ", ".join(f"{name} {card.splits[name].images}" for name in ("train", "val", "test") if name in card.splits)
    return f"{card.label}  {splits} images, {card.new_bytes / 1e6:.1f} MB new of {card.size_bytes / 1e6:.1f}"


@outcome.register
def _(card: Checkpoint) -> str:
    start = "from the champion" if card.warm_started_from else "from scratch"
    scores = (f", {name} {card.metrics[name]:.3f}" for name in ("train/loss", "val/ap50") if name in card.metrics)
    return f"{start}, best epoch {card.best_epoch} of {card.epochs}" + "".join(scores)


@outcome.register
def _(card: Bundle) -> str:
    return f"{card.tag}  {card.archive_bytes / 1e6:.1f} MB"


@outcome.register
def _(card: EvaluationReport) -> str:
    versus = f", champion {card.champion.ap50:.3f}" if card.champion else ", no champion yet"
    return f"AP50 {card.challenger.ap50:.3f}{versus} on {card.test_images} test images"


@outcome.register
def _(card: ParityReport) -> str:
    return f"{len(card.checks)} checks, {'all equal' if card.passed else 'DIFFERENT'}"


@outcome.register
def _(card: Promotion) -> str:
    versus = "no champion yet" if card.champion_ap50 is None else f"champion {card.champion_ap50:.3f}"
    missed = [reason for reason in card.reasons if reason.startswith("failed: ")]
    return "; ".join([f"{card.decision}: AP50 {card.ap50:.3f}, {versus}", *missed])


def addresses(stack: Stack) -> str:
    """Where the UIs are and how to log in."""
    return (
        f"  Airflow  {stack.url('airflow')}   login admin, password {stack.password}\n"
        f"  MLflow   {stack.url('mlflow')}   no login\n"
        f"  S3       {stack.url('s3')}   bucket visionloop, keys in .visionloop/stack.json\n"
        f"  Metrics  {stack.url('monitoring')}/metrics   for Prometheus, no login"
    )


def summary(store: Store, stack: Stack, seconds: float) -> str:
    """The whole loop: labels, versions, AP before and after, who serves and why."""
    checked = [CheckedLabels.load(store, entry.key) for entry in store.list("labels/trees/checked")]
    versions = [read_version(store, "trees", number) for number in version_numbers(store, "trees")]
    keys = [entry.key for entry in sorted(store.list("runs/model__trees"), key=lambda entry: entry.modified)]
    decisions = [Promotion.load(store, key) for key in keys if key.endswith("/promote_model/card.json")]
    reports = [EvaluationReport.load(store, key) for key in keys if key.endswith("/evaluate_model/card.json")]
    lines = ["", f"The loop ran in {seconds / 60:.1f} minutes.", "", "Labels"]
    lines += [f"  batch {card.batch_id}   {outcome(card)}" for card in sorted(checked, key=lambda card: card.made_by.ended_at)]
    lines += ["", "Dataset versions"] + [f"  {outcome(version)}   digest {version.digest}" for version in versions]
    lines += ["", "Models, scored on held-out regions that they never saw"]
    lines += [f"  on {report.dataset}: {outcome(report)}" for report in reports]
    lines += ["", "Decisions"]
    for decision in decisions:
        lines += [f"  {decision.model}: {outcome(decision)}", *(f"    {reason}" for reason in decision.reasons)]
    promoted = [decision for decision in decisions if decision.decision == "promoted"]
    if promoted:
        lines += ["", f"Champion: {promoted[-1].model} version {promoted[-1].champion_after}, AP50 {promoted[-1].ap50:.3f}"]
    lines += [
        "",
        addresses(stack),
        "",
        "  ./visionloop trace trees@champion   where the champion comes from",
        "  ./visionloop down   stops it all; data stays",
    ]
    return "\n".join(lines)
