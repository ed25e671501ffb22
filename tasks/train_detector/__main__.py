"""Train a detector on a dataset version.

Reads    dataset      card of build_dataset (or dataset://name:version); trains on its train split, picks the best on val
Writes   checkpoint   card; best and last weights lie in the content store under their md5

Starts from the champion's weights where `warm_start: champion` and they fit, from nothing otherwise; the log, the MLflow run
and the card say which. The MLflow run is named after the DAG run and grows with each epoch. A training that was killed goes
on where it was (`resume.pt` in the output folder, at most `save_every_s` old), in the same MLflow run; on a CPU it
ends with the very weights of a training that nobody disturbed. GPU if there is one, in bfloat16.

Exit 1: the loss is no longer a number, or the GPU's memory does not suffice (the message says what to lower). Exit 2: the
`train_detector` section is wrong. Exit 3: there is nothing to train on, pictures cannot be read, or an
audit marked the version as broken (`force_broken` trains all the same: `forced_broken` of the card and the MLflow tag
`visionloop.forced_broken` name the mark).
"""

from __future__ import annotations

import torch

from include.artifacts import Checkpoint, DatasetVersion, Reference
from include.detector.base import Detector
from include.detector.families import build_detector
from include.detector.pictures import Picture, read_split
from include.errors import BadInputError
from include.lineage import Lineage
from include.step.run import StepRun, main
from include.versions.keep.broken import refuse_broken
from tasks.train_detector.config import TrainDetectorConfig
from tasks.train_detector.recording import Recording
from tasks.train_detector.resume import ResumeFile
from tasks.train_detector.train import Training
from tasks.train_detector.warm_start import warm_start

Step = StepRun[TrainDetectorConfig]


def work(step: Step) -> Checkpoint:
    """The card of the trained detector."""
    dataset = step.input("dataset", DatasetVersion)
    mark = refuse_broken(step.store, dataset, step.config.force_broken)
    pictures = {split: read_split(dataset, step.content, split, step.scratch / split) for split in ("train", "val")}
    if not pictures["train"]:
        raise BadInputError(f"dataset {dataset.label}: got no pictures in the train split, expected at least one; add labels")
    torch.manual_seed(step.config.seed)
    detector = build_detector(step.config.detector_config, dataset.classes)
    start = warm_start(step, detector)
    step.log.info(
        "%d train and %d val pictures of %s; %s", len(pictures["train"]), len(pictures["val"]), dataset.label, start.why
    )
    recording = Recording(Lineage(), step, dataset, start.why, forced_broken=mark.key if mark else None)
    resume = ResumeFile(step.store, step.output, of=f"{step.config.model_dump_json()} {dataset.digest} {start.bundle}")
    training = Training(detector, pictures["train"], pictures["val"], step.config, resume.save, recording.epoch)
    try:
        if state := resume.read():
            training.restore(state)
            step.log.info("going on after epoch %d, batch %d", training.progress.epoch, training.progress.batch)
        training.run()
    except Exception:
        recording.failed()
        raise
    card = checkpoint(step, dataset, training, start.bundle, recording.run_id, (pictures["val"] or pictures["train"])[0])
    return card.model_copy(update={"forced_broken": mark.key if mark else None})


def checkpoint(
    step: Step, dataset: DatasetVersion, training: Training, bundle: str | None, run_id: str, picture: Picture
) -> Checkpoint:
    """What came out, as a card; its weights in the content store."""
    at, last = training.progress, training.progress.curve[-1]
    best = on_cpu(training, training.best_weights)
    metrics = {"train/loss": last["loss"], "train/duration_s": round(at.elapsed_s, 1)}
    if at.best_ap50 is not None:
        metrics["val/ap50"] = at.best_ap50
    return step.card(
        Checkpoint,
        model=step.config.model,
        dataset=dataset.label,
        dataset_digest=dataset.digest,
        classes=dataset.classes,
        detector=best.config,
        best_weights=step.content.put(best.weights()),
        last_weights=step.content.put(on_cpu(training, training.average.values).weights()),
        best_epoch=at.best_epoch,
        epochs=at.epoch,
        metrics=metrics,
        warm_started_from=bundle,
        reference=Reference(image=picture.md5, detections=tuple(best.detect([picture.open()])[0])),
        mlflow_run_id=run_id,
    )


def on_cpu(training: Training, weights: dict[str, torch.Tensor]) -> Detector:
    """Built anew, as later steps build it: the reference detections are those that they must find."""
    detector = build_detector(training.detector.config, training.detector.classes)
    detector.load_state_dict({name: value.cpu() for name, value in weights.items()})
    return detector.eval()


def after(step: Step, card: Checkpoint) -> None:
    """The MLflow run is closed and the state thrown away once the card stands."""
    Recording.finish(Lineage(), card)
    ResumeFile(step.store, step.output, of="").delete()


if __name__ == "__main__":
    main("train_detector", TrainDetectorConfig, work, after)
