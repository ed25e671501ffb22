"""The report for people: is the challenger better, at what, and what do its mistakes look like."""

from __future__ import annotations

from dataclasses import dataclass

from include import pages
from include.artifacts import PairedDifference, Score
from tasks.evaluate_model.pictures import COLOURS, WorkingPoint
from tasks.evaluate_model.scoring import Scored
from tasks.evaluate_model.truth import Truth

LINES = {"challenger": "#0b6bcb", "champion": "#b3560f"}


@dataclass(frozen=True)
class Findings:
    """All that the page tells."""

    tag: str
    truth: Truth
    challenger: Scored
    champion: Scored | None
    champion_version: str | None
    difference: PairedDifference | None
    working_point: WorkingPoint


def verdict(findings: Findings) -> str:
    """One sentence."""
    ours, difference = findings.challenger.score.ap50, findings.difference
    if findings.champion is None or difference is None:
        return f"AP50 {ours:.3f}. There is no champion yet to compare with."
    interval = f"{difference.confidence:.0%} interval {difference.low:+.3f} … {difference.high:+.3f}"
    if difference.low > 0:
        says = "better than"
    elif difference.high < 0:
        says = "worse than"
    else:
        says = "not clearly different from"
    return (
        f"AP50 {ours:.3f}, {says} champion version {findings.champion_version} with {findings.champion.score.ap50:.3f}: "
        f"{difference.mean:+.3f} on the mean of {difference.resamples} resamples of the test images ({interval})."
    )


def _compare(name: str, ours: float, theirs: float | None, digits: int = 3) -> list[str]:
    if theirs is None:
        return [name, f"{ours:.{digits}f}"]
    return [name, f"{ours:.{digits}f}", f"{theirs:.{digits}f}", f"{ours - theirs:+.{digits}f}"]


def _numbers(ours: Score, theirs: Score | None) -> list[list[str]]:
    names = {"AP50": "ap50", "AP (IoU 0.50…0.95)": "ap", "AP75": "ap75", "AR, 100 detections": "ar100",
             "Calibration error of the scores (lower is better)": "calibration_error"}  # fmt: skip
    rows = [_compare(name, getattr(ours, key), getattr(theirs, key) if theirs else None) for name, key in names.items()]
    return [*rows, _compare("Images per second", ours.images_per_s, theirs.images_per_s if theirs else None, digits=1)]


def _by_class(findings: Findings) -> list[list[str]]:
    ours, theirs = findings.challenger.score.ap50_by_class, findings.champion and findings.champion.score.ap50_by_class
    boxes = {name: int(one.truths.sum()) for name, one in findings.challenger.matches.items()}
    rows = []
    for name in findings.truth.classes:
        if name in ours:
            head, *numbers = _compare(name, ours[name], theirs[name] if theirs else None)
            rows.append([head, str(boxes[name]), *numbers])
        else:
            rows.append([name, "0", "–", *(["–", "–"] if theirs else [])])
    return rows


def render(findings: Findings, gallery: str) -> bytes:
    """The page; `gallery` is HTML."""
    models = {"challenger": findings.challenger, **({"champion": findings.champion} if findings.champion else {})}
    recalls = [index / 100 for index in range(101)]
    curves = {name: list(zip(recalls, one.precision_at_recall.tolist(), strict=True)) for name, one in models.items()}
    heads = ["challenger", "champion", "difference"] if findings.champion else ["challenger"]
    truth, point = findings.truth, findings.working_point
    ours = findings.challenger.score
    theirs = findings.champion.score if findings.champion else None
    return pages.page(
        f"{findings.tag} on {truth.dataset}",
        pages.paragraph(f"Scored on {len(truth.images)} test images with {len(truth.annotations)} boxes.", "soft"),
        pages.paragraph(verdict(findings), "verdict"),
        pages.table(["", *heads], _numbers(ours, theirs)),
        pages.heading("By class"),
        pages.table(["class", "test boxes", *(f"{head} AP50" if head != "difference" else head for head in heads)],
                    _by_class(findings)),
        pages.heading("Precision and recall at IoU 0.5, mean over classes"),
        pages.legend({name: LINES[name] for name in models}),
        pages.unit_chart(curves, LINES, "recall: share of true boxes found", "precision: share of detections that are right"),
        pages.paragraph(
            f"Best working point of the challenger (highest F1): scores from {point.min_score:.2f}; there {point.precision:.0%} "
            f"of its detections are right and it finds {point.recall:.0%} of the boxes."
        ),
        pages.heading("In test pictures"),
        pages.paragraph("At that score. First the pictures with the most mistakes, then some of the others.", "soft"),
        pages.legend({"box found": COLOURS["found"], "true box missed": COLOURS["missed"], "false detection": COLOURS["false"]}),
        gallery,
    )  # fmt: skip
