"""The pages, written where the DAG's button leads to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from include.artifacts import LabelBatch
from include.step.run import StepRun
from tasks.validate_annotations.config import ValidateAnnotations
from tasks.validate_annotations.data_docs.pages import pages
from tasks.validate_annotations.data_docs.told import Ruled, Table, Told
from tasks.validate_annotations.validate import Divided

if TYPE_CHECKING:  # three seconds, for which nobody waits before there is something to ask
    from include.checks.asking import Suites


def publish(
    step: StepRun[ValidateAnnotations], batch: LabelBatch, images: Path, annotations: Path, suites: Suites, divided: Divided
) -> str:
    """The key of the first page. `images`, `annotations`: the batch's tables, as they came."""
    folder = suites.build_docs()
    told = Told(
        batch=batch,
        images=Table(images),
        annotations=Table(annotations),
        findings=Table(divided.path("findings")),
        images_kept=divided.images,
        annotations_kept=divided.annotations,
        rules=_rules(step.config, suites),
        results={path.parts[-4]: path.relative_to(folder).as_posix() for path in folder.glob("validations/*/*/*/*.html")},
        suites=step.config.in_use.suites,
        stopped=divided.stopped_by,
        let_through=_let_through(step),
    )
    for name, content in pages(folder, told, step.content.get).items():
        step.store.write(f"{step.output}/data_docs/{name}", content)
    return f"{step.output}/data_docs/index.html"


def _rules(config: ValidateAnnotations, suites: Suites) -> list[Ruled]:
    """Every rule that was asked, once: what repairs is asked again of what it repaired."""
    in_use = {rule.name: rule for rule in config.in_use.rules}
    asked = {one.rule: one for one in reversed(suites.asked)}
    return [
        Ruled(one.rule, one.expected, in_use[one.rule].action, config.owner, in_use[one.rule].suite, one.rows)
        for one in reversed(asked.values())
    ]


def _let_through(step: StepRun[ValidateAnnotations]) -> str | None:
    reason = step.config.let_through_because
    return f"{step.who.started_by}: {reason}" if reason else None
