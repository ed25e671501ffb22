"""Score a packed model, and the champion beside it, on the test split of the dataset version that the run froze.

Reads    bundle    card of pack_model
         dataset   dataset_version
Writes   evaluation_report card; report.html beside it; the challenger's detections (a COCO results file) by content

Both models run from their bundles on onnxruntime, as in production. The champion is the one that the run froze; without one
the challenger is scored alone. test/… metrics also go to the training's MLflow run.

Exit 3: the test split has no images or no boxes; an image or bundle is missing or changed; an audit marked the version as broken
and `force_broken` is not set (if it is, card and MLflow run name the mark).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from include.artifacts import Bundle, DatasetVersion, EvaluationReport
from include.artifacts.tables import from_parquet
from include.bundles import ONNX, open_archive
from include.champion import frozen_champion
from include.detector.onnx_inference import OnnxDetector
from include.lineage import Lineage
from include.step.run import StepRun, main
from include.versions.keep.broken import refuse_broken
from tasks.evaluate_model.bootstrap import paired_difference
from tasks.evaluate_model.config import EvaluateConfig
from tasks.evaluate_model.detecting import Seen, look_at
from tasks.evaluate_model.page import Findings, render
from tasks.evaluate_model.pictures import chosen, gallery, mistakes_by_image, working_point
from tasks.evaluate_model.scoring import Scored, score
from tasks.evaluate_model.truth import Truth, truth_of

Step = StepRun[EvaluateConfig]


@dataclass(frozen=True)
class Evaluated:
    """A bundle, what it saw and how good that is."""

    bundle: Bundle
    seen: Seen
    scored: Scored


def read_truth(step: Step, dataset: DatasetVersion) -> Truth:
    tables = [from_parquet(step.content.get(md5)) for md5 in (dataset.images_table, dataset.annotations_table)]
    return truth_of(dataset.label, dataset.classes, *tables)


def evaluated(step: Step, role: str, bundle: Bundle, address: str, truth: Truth) -> Evaluated:
    """Unpack a bundle and score it; `role` is for the log."""
    opened = open_archive(step.content.get(bundle.archive), step.scratch / role)
    seen = look_at(truth, OnnxDetector(opened.path(ONNX), bundle.classes), step.content.get, step.config.min_score)
    for name, count in seen.unknown.items():
        step.log.info("%s: %d detections of class %r, which %s does not have, were left out", role, count, name, truth.dataset)
    scored = score(truth, address, seen)
    step.log.info("%s %s  ap50 %.4f  ap %.4f  %.1f images/s", role, bundle.tag, scored.score.ap50, scored.score.ap,
                  scored.score.images_per_s)  # fmt: skip
    return Evaluated(bundle, seen, scored)


def work(step: Step) -> EvaluationReport:
    """The report of challenger and champion."""
    bundle, dataset = step.input("bundle", Bundle), step.input("dataset", DatasetVersion)
    mark = refuse_broken(step.store, dataset, step.config.force_broken)
    truth = read_truth(step, dataset)
    ours = evaluated(step, "challenger", bundle, step.addresses["bundle"], truth)
    serving, theirs, difference = frozen_champion(step, bundle.model), None, None
    if serving is not None:
        theirs = evaluated(step, "champion", step.card_at("champion", Bundle, serving.bundle), serving.bundle, truth)
        difference = paired_difference(
            ours.scored.matches, theirs.scored.matches, len(truth.images),
            step.config.confidence, step.config.resamples, step.config.seed,
        )  # fmt: skip
    findings = Findings(
        tag=bundle.tag, truth=truth, challenger=ours.scored, champion=theirs.scored if theirs else None,
        champion_version=serving.version if serving else None, difference=difference,
        working_point=working_point(ours.scored.matches),
    )  # fmt: skip
    return step.card(
        EvaluationReport,
        model=bundle.model,
        dataset=dataset.label,
        dataset_digest=dataset.digest,
        test_images=len(truth.images),
        test_annotations=len(truth.annotations),
        challenger=ours.scored.score,
        champion=theirs.scored.score if theirs else None,
        champion_version=findings.champion_version,
        difference=difference,
        detections=step.content.put(json.dumps(ours.seen.detections).encode()),
        page=write_page(step, findings, ours),
        forced_broken=mark.key if mark else None,
    )


def write_page(step: Step, findings: Findings, ours: Evaluated) -> str:
    """The key of the page."""
    mistakes = mistakes_by_image(findings.truth, ours.seen, ours.scored, findings.working_point.min_score)
    pictures = gallery(findings.truth, mistakes, step.content.get, chosen(mistakes, step.config.pictures))
    key = f"{step.output}/report.html"
    step.store.write(key, render(findings, pictures))
    step.log.info("report: %s/%s", step.store.url, key)
    return key


def tell_mlflow(step: Step, report: EvaluationReport) -> None:
    """test/… metrics in the training's run: as of the card, so that a repetition writes the same points again.

    Tag `visionloop.forced_broken_test`: the mark of the broken version that it was scored on.
    """
    run_id = step.input("bundle", Bundle).mlflow_run_id
    ours = report.challenger
    numbers = {"ap": ours.ap, "ap50": ours.ap50, "ap75": ours.ap75, "ar100": ours.ar100,
               "calibration_error": ours.calibration_error, "images_per_s": ours.images_per_s}  # fmt: skip
    if report.difference is not None:
        numbers["ap50_gain"] = report.difference.mean
    metrics = {f"test/{name}": value for name, value in numbers.items()}
    lineage = Lineage()
    lineage.log_metrics(run_id, metrics, step=0, timestamp_ms=int(report.made_by.ended_at.timestamp() * 1000))
    if report.forced_broken is not None:
        lineage.set_tags(run_id, {"visionloop.forced_broken_test": report.forced_broken})


if __name__ == "__main__":
    main("evaluate_model", EvaluateConfig, work, after=tell_mlflow)
