"""Rank the labels that are likely wrong, by what the champion sees in the pictures of a dataset version.

    python -m tasks.find_label_errors --input dataset=dataset://trees:latest --output FOLDER --config '{"model": "trees"}'

Reads    dataset   dataset_version; and the champion of config.model, as the run froze it: its bundle, and what it was trained on
Writes   label_review card; the suspects as Parquet (SUSPECTS in include/artifacts/suspects.py); report.html with pictures

Missing, spurious, swapped and misplaced boxes (docs/label-errors.md). The champion's scores are calibrated on images that it was
not trained on; images that it was trained on are ranked behind all others, for it has learned their errors too.

Exit 99: there is no champion yet. Exit 3: a bundle, a version or an image is missing or changed, or the version is marked broken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.artifacts import Bundle, DatasetVersion, LabelReview
from include.artifacts.tables import from_parquet, rows_of, to_parquet
from include.bundles import ONNX, open_archive
from include.champion import frozen_champion
from include.detector.onnx_inference import OnnxDetector
from include.errors import NothingToDo
from include.lineage import Champion
from include.step.run import StepRun, main, resolve_dataset
from include.versions.keep.broken import refuse_broken
from tasks.find_label_errors.boxes import Boxes
from tasks.find_label_errors.config import FindConfig
from tasks.find_label_errors.judge import judge
from tasks.find_label_errors.looking import Seen, given_boxes, look_at
from tasks.find_label_errors.page import Reviewed, Row, chosen, render
from tasks.find_label_errors.pictures import picture
from tasks.find_label_errors.table import images_of, ranked, suspects_table
from tasks.find_label_errors.trust import learn

Step = StepRun[FindConfig]
FEWEST_TRUSTED = 10  # images; with fewer, those that it was trained on tell too


@dataclass(frozen=True)
class Looked:
    """A version, what its people drew and what the champion saw. `saw`: of each image, as in SUSPECTS."""

    champion: Champion
    bundle: Bundle
    dataset: DatasetVersion
    images: pa.Table
    annotations: pa.Table
    given: Boxes
    seen: Seen
    saw: list[str]

    @property
    def is_trained_on(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.array([one == "train" for one in self.saw], bool)


def work(step: Step) -> LabelReview:
    """The card of the review."""
    serving = frozen_champion(step, step.config.model)
    if serving is None:
        raise NothingToDo(
            f"{step.config.model}: there is no champion yet, so nobody can look; its DAG is model__{step.config.model}"
        )
    looked = look(step, serving)
    table, trusted, told = review(step.config, looked)
    rows = table.to_pylist()
    key = f"{step.output}/report.html"
    suspects = step.content.put(to_parquet(table))
    step.store.write(key, page_of(step, looked, rows, told, suspects))
    counts = Counter(row["kind"] for row in rows)
    unseen = sum(row["champion_saw"] != "train" for row in rows)
    step.log.info("%d labels look wrong, %d in images not trained on: %s", len(rows), unseen, dict(counts))
    step.log.info("report: %s/%s", step.store.url, key)
    return step.card(
        LabelReview, model=step.config.model, champion_version=serving.version, bundle=serving.bundle,
        trained_on=looked.bundle.dataset, dataset=looked.dataset.label, dataset_digest=looked.dataset.digest,
        images=looked.images.num_rows, annotations=len(looked.given), trusted_on=trusted, by_kind=dict(counts), unseen=unseen,
        unreadable=tuple(looked.seen.unreadable.values()), suspects_table=suspects, page=key,
    )  # fmt: skip


def look(step: Step, serving: Champion) -> Looked:
    """Everything that the champion sees in the chosen splits."""
    bundle, dataset = step.card_at("champion", Bundle, serving.bundle), step.input("dataset", DatasetVersion)
    refuse_broken(step.store, dataset)
    learned = step.card_at("trained_on", DatasetVersion, resolve_dataset(step.store, f"dataset://{bundle.dataset}"))
    images, annotations = (from_parquet(step.content.get(md5)) for md5 in (dataset.images_table, dataset.annotations_table))
    images = images.filter(pc.is_in(images["split"], pa.array(step.config.splits)))
    annotations = annotations.filter(pc.is_in(annotations["image_id"], images["image_id"].combine_chunks()))
    opened = open_archive(step.content.get(bundle.archive), step.scratch / "champion")
    detector = OnnxDetector(opened.path(ONNX), bundle.classes)
    config = step.config
    step.log.info("%s@%s looks at %d images of %s", bundle.model, serving.version, images.num_rows, dataset.label)
    seen = look_at(images, detector, step.content.get, config.min_detection, step.log, config.log_every_s)
    unknown = [name for name in bundle.classes if name not in dataset.classes]
    if unknown:
        step.log.info("classes that %s does not have are not looked for: %s", dataset.label, ", ".join(unknown))
        wanted = [number for number, name in enumerate(bundle.classes) if name in dataset.classes]
        seen = Seen(seen.boxes.where(np.isin(seen.boxes.label, wanted)), seen.unreadable)
    given = given_boxes(images, annotations, dataset.classes, bundle.classes)
    return Looked(serving, bundle, dataset, images, annotations, given, seen, saw_of(step, learned, images))


def saw_of(step: Step, learned: DatasetVersion, images: pa.Table) -> list[str]:
    """`train`, `val` or `no` for each image: in which split it was when the champion was trained."""
    then = from_parquet(step.content.get(learned.images_table), ["md5", "split"])
    split = dict(zip(then["md5"].to_pylist(), then["split"].to_pylist(), strict=True))
    return [one if (one := split.get(md5)) in ("train", "val") else "no" for md5 in images["md5"].to_pylist()]


def review(config: FindConfig, looked: Looked) -> tuple[pa.Table, int, str]:
    """SUSPECTS; how many images showed how far the champion is to be trusted; and which, in words."""
    unreadable = list(looked.seen.unreadable)
    tells = ~looked.is_trained_on
    tells[unreadable] = False
    said = "images that it was not trained on"
    if tells.sum() < FEWEST_TRUSTED:
        tells = np.ones(len(tells), bool)
        said = f"images, most of which it was trained on, as there are fewer than {FEWEST_TRUSTED} others: it looks too good"
    given, seen = looked.given, looked.seen.boxes
    trust = learn(given.where(tells[given.image]), seen.where(tells[seen.image]))
    found = judge(given, seen, trust, config.expected_wrong)
    image = images_of(found, given, seen)
    keep = ranked(
        np.where(np.isin(image, unreadable), -1, found.score), image, looked.is_trained_on, config.min_score, config.most
    )
    classes = looked.dataset.classes, looked.bundle.classes
    table = suspects_table(found.where(keep), seen, image[keep], looked.images, looked.annotations, looked.saw, *classes)
    return table, int(tells.sum()), f"it was compared with the labels of {tells.sum()} {said}"


def page_of(step: Step, looked: Looked, rows: Sequence[Row], told: str, table: str) -> bytes:
    """report.html"""
    shown = chosen(rows, step.config.pictures)
    wanted = {row["relpath"] for row in shown}
    sizes = {name: (width_px, height_px, position)
             for position, (name, width_px, height_px) in enumerate(rows_of(looked.images, "relpath", "width_px", "height_px"))
             if name in wanted}  # fmt: skip
    pictures = {}
    for row in shown:
        width_px, height_px, position = sizes[row["relpath"]]
        others = looked.given.box[looked.given.image == position].tolist()
        pictures[row["rank"]] = picture(step.content.get(row["md5"]), row, others, (width_px, height_px))
    splits = ", ".join(step.config.splits)
    return render(Reviewed(
        title=f"Label errors in {looked.dataset.label}, as {looked.bundle.model} sees them",
        trained_on=looked.bundle.dataset, champion=f"{looked.bundle.model}@{looked.champion.version}",
        looked_at=f"{looked.images.num_rows} images with {len(looked.given)} boxes ({splits})", trusted_on=told,
        rows=rows, pictures=pictures, table=table, unreadable=list(looked.seen.unreadable.values()),
    ))  # fmt: skip


if __name__ == "__main__":
    main("find_label_errors", FindConfig, work)
