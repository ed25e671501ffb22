"""Draw a sample of a batch's accepted labels, for a person to look at.

    python -m tasks.spot_check --input checked=KEY --output FOLDER --config '{"source": "trees", "sample": 200}'

Reads   a checked_labels card, and the pictures of what is drawn.
Writes  a spot_check card at `labels/<source>/spot_checks/<batch>.json`, `spot_check.html` with the pictures, where verdicts can
        be clicked from Airflow (*Spot check*), and `sheet.csv` to be filled in instead.

Annotations are drawn by strata (`by`), in proportion to their size but at least `min_per_stratum` of each; whole pictures, with
and without labels, in which objects may have been missed, likewise. The same batch gives the same sample, whoever draws it.
Verdicts come back from the page, or through `visionloop labels review <source> <batch> sheet.csv`, which also says what share
of all labels is wrong. Nothing waits for them.

Exit 99 if the batch has no accepted picture.
"""

from __future__ import annotations

from include.artifacts import CheckedLabels, SpotCheck
from include.artifacts.tables import from_parquet
from include.errors import ConfigError, NothingToDo
from include.spot_checks.sheet import sheet, to_json
from include.step.run import StepRun, main
from tasks.spot_check.config import SpotCheckConfig
from tasks.spot_check.page import PAGE, page
from tasks.spot_check.sample import draw


def spot_check(step: StepRun[SpotCheckConfig]) -> SpotCheck:
    """The sample. Raises NothingToDo where there is nothing to draw from."""
    checked = step.input("checked", CheckedLabels)
    if checked.source != step.config.source:
        raise ConfigError(f"{step.addresses['checked']}: labels of source {checked.source}, expected {step.config.source}")
    images, annotations = (from_parquet(step.content.get(md5)) for md5 in (checked.images_table, checked.annotations_table))
    if not images.num_rows:
        raise NothingToDo(f"batch {checked.batch_id}: no accepted picture to look at")
    rows, strata = draw(images, annotations, step.config, checked.batch_id)
    card = step.card(
        SpotCheck, source=checked.source, batch_id=checked.batch_id, by=step.config.by, strata=strata,
        sample=f"{step.output}/sample.json", page=f"{step.output}/{PAGE}", sheet=f"{step.output}/sheet.csv",
    )  # fmt: skip
    step.store.write(card.page, page(card, rows, annotations, step.content))
    step.store.write(card.sheet, sheet(card.source, card.batch_id, rows, {}))
    step.store.write(card.sample, to_json(rows))
    step.log.info(
        "%d of %d annotations and %d of %d pictures, in %d strata",
        *(sum(getattr(one, what) for one in strata if one.subject == subject)
          for subject in ("annotation", "image") for what in ("sampled", "population")),
        len(strata),
    )  # fmt: skip
    return card


if __name__ == "__main__":
    main("spot_check", SpotCheckConfig, spot_check)
