"""What a dataset says about shifts: from where on a version that moves away from its parent is told of, or not made at all."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from include import pages
from include.artifacts import DatasetVersion
from include.checks.shifts import Limits, Shift
from include.errors import BadInputError
from include.step.step_run import StepRun
from include.storage import ContentStore
from include.versions.compare.shift_page import in_words, shift_parts
from include.versions.compare.version_shifts import ATTRIBUTES, OF_BOXES, OF_IMAGES, Measured, version_shifts
from include.versions.contents import Contents

PAGE = "report.html"  # below the step's output folder
RANK: dict[str, int] = {"shifted": 1, "different": 2}
NAMED = 20  # columns in the log and in the error


class ShiftRules(Limits):
    """Section build_dataset.shift of include/datasets/<name>.yaml. Kept in the version's card."""

    attributes: tuple[str, ...] = Field(default=ATTRIBUTES, description="of images, compared like a column of names")
    warn: Literal["shifted", "different", "never"] = Field(default="shifted", description="from this verdict on the log says so")
    stop: dict[str, Literal["shifted", "different"]] = Field(
        default_factory=dict, description="by column: from this verdict on, of all images or of one split, no version is made"
    )
    accepted: dict[str, str] = Field(
        default_factory=dict, description="by version (v5): why it is made although it would be stopped"
    )

    @model_validator(mode="after")
    def _stops_known_columns(self) -> Self:
        known = (*OF_BOXES, *OF_IMAGES, *self.attributes)
        if unknown := sorted(set(self.stop) - set(known)):
            raise ValueError(f"stop: no column {', '.join(unknown)}; expected one of {', '.join(known)}")
        return self

    @classmethod
    def of_version(cls, version: DatasetVersion) -> ShiftRules:
        """As they were when it was made; what other code or another step made has the defaults."""
        try:
            return cls.model_validate(version.config.get("shift") or {})
        except ValidationError:
            return cls()


def check_shift(
    step: StepRun[Any], rules: ShiftRules, before: Contents, after: Contents, parent: DatasetVersion, number: str
) -> dict[str, int]:
    """Counts for the card. Raises BadInputError where the dataset's definition says that such a version is not made.

    `number` (v5): of the version that is to be made. The report shows every column, whatever the verdict.
    """
    old, new = (Measured.of_contents(contents, rules.attributes) for contents in (before, after))
    found = version_shifts(old, new, rules)
    title = f"{parent.name}:{number}, not made yet, against {parent.label}"
    step.store.write(f"{step.output}/{PAGE}", pages.page(title, *shift_parts(found, rules)))
    told = [(split, one) for split, some in found.items() for one in some if is_reached(one, rules.warn)]
    for split, one in told[:NAMED]:
        step.log.warning("shift since %s: %s", parent.label, in_words(one, split))
    if len(told) > NAMED:
        step.log.warning("  … and %d more: see the report", len(told) - NAMED)
    stopping = [(s, one) for s, some in found.items() for one in some if is_reached(one, rules.stop.get(one.column, "never"))]
    if stopping and number not in rules.accepted:
        listed = "; ".join(in_words(one, split) for split, one in stopping[:NAMED]) + ("; …" if len(stopping) > NAMED else "")
        limits = ", ".join(f"{column} {mark}" for column, mark in rules.stop.items())
        raise BadInputError(
            f"dataset {parent.name}: {number} is not made, it would be too far from {parent.label}: {listed}; "
            f"expected less (build_dataset: shift.stop: {limits}). Nothing is lost: the checked labels wait, and the next run "
            f"takes them again. See {step.store.url}/{step.output}/{PAGE}. Correct the labels at their source, leave images out "
            f"(build_dataset: leave_out), or let it through with a reason: build_dataset: shift.accepted: {{{number}: why}}"
        )
    if stopping:
        step.log.warning("%s is made all the same: %s", number, rules.accepted[number])
    return {"columns_shifted": len({one.column for _, one in told})} if told else {}


def shifts_between(
    content: ContentStore, before: DatasetVersion, after: DatasetVersion
) -> tuple[dict[str, tuple[Shift, ...]], ShiftRules]:
    """Of versions that stand, by split, by the rules of the later one; and these."""
    rules = ShiftRules.of_version(after)
    old, new = (Measured.of_version(content, one, rules.attributes) for one in (before, after))
    return version_shifts(old, new, rules), rules


def is_reached(shift: Shift, mark: str) -> bool:
    """Is the shift as large as this verdict, or larger?"""
    return mark != "never" and RANK.get(shift.verdict, 0) >= RANK[mark]
