"""Pack a checkpoint for production: one BentoML archive that serves, and carries the proof that it serves what was trained.

Reads    checkpoint   card of train_detector
Writes   bundle       card; the archive (.tar) lies in the content store under its md5

The archive holds the ONNX model, the PyTorch weights, the detector's configuration and classes, the reference image with
the detections it must give, and an HTTP service. To serve it anywhere:

    pip install bentoml onnxruntime pillow numpy
    bentoml import bundle.tar && bentoml serve MODEL:latest
    curl --data-binary @picture.jpg -H "Content-Type: image/jpeg" http://localhost:3000/detect

Needs no network. Exit 2: the `pack_model` section is wrong. Exit 3: the weights are missing, changed, or do not fit.
"""

from __future__ import annotations

import logging

from include.artifacts import Bundle, Checkpoint
from include.bundles import open_archive
from include.step.run import StepRun, main
from tasks.pack_model.bento import build_archive
from tasks.pack_model.config import PackConfig
from tasks.pack_model.contents import write_contents


def work(step: StepRun[PackConfig]) -> Bundle:
    """The card of the packed checkpoint."""
    checkpoint = step.input("checkpoint", Checkpoint)
    weights, image = step.content.get(checkpoint.best_weights), step.content.get(checkpoint.reference.image)
    folders = [step.scratch / name for name in ("contents", "build", "opened")]
    for folder in folders:
        folder.mkdir()
    contents, build, opened = folders
    write_contents(contents, checkpoint, weights, image, step.config)
    tag = f"{checkpoint.model}:{step.read_cards['checkpoint'][0].md5[:12]}"
    archive = build_archive(contents, tag, checkpoint.made_by.ended_at, build)
    step.log.info("%s: %.1f MB", tag, len(archive) / 1e6)
    return step.card(
        Bundle,
        model=checkpoint.model,
        tag=tag,
        archive=step.content.put(archive),
        archive_bytes=len(archive),
        files=open_archive(archive, opened).hashes(),
        checkpoint=step.addresses["checkpoint"],
        dataset=checkpoint.dataset,
        dataset_digest=checkpoint.dataset_digest,
        classes=checkpoint.classes,
        mlflow_run_id=checkpoint.mlflow_run_id,
    )


if __name__ == "__main__":
    for library in ("onnx_ir", "onnxscript"):  # hundreds of lines on their inner workings
        logging.getLogger(library).setLevel(logging.WARNING)
    main("pack_model", PackConfig, work)
