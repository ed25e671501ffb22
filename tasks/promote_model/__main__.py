"""Decide whether a challenger becomes champion, and make it so.

Reads    bundle   card of pack_model
         report   evaluation_report of that bundle, with the champion beside it
         parity   parity_report of that bundle
Writes   promotion card, also under models/<model>/promotions/<n>.json; a version in the MLflow registry, tagged with data,
         code, cost and decision; the registry alias `champion`, if the challenger is promoted

The gate (config.py): a floor for AP50; better than the champion on the mean of the paired difference; not noticeably worse at
the lower end of its interval; no class loses much. The reasons in the card say for each rule what was got and expected.

Exit 99: the champion is kept (quiet; the decision is recorded all the same). Exit 3: parity failed, the cards are of different
models or data, or the champion changed meanwhile. Safe to kill and to repeat at any point.
"""

from __future__ import annotations

from include.artifacts import Bundle, Checkpoint, EvaluationReport, ParityReport, Promotion
from include.errors import NothingToDo
from include.lineage import Lineage
from include.step.run import StepRun, main
from tasks.promote_model.carry_out import make_it_so, version_tags, write_down
from tasks.promote_model.config import Gate
from tasks.promote_model.consistency import check
from tasks.promote_model.promote import decide


def work(step: StepRun[Gate], lineage: Lineage | None = None) -> Promotion:
    """The card of the decision, carried out."""
    bundle, report = step.input("bundle", Bundle), step.input("report", EvaluationReport)
    check(step.addresses["bundle"], bundle, report, step.input("parity", ParityReport))
    checkpoint = step.card_at("checkpoint", Checkpoint, bundle.checkpoint)
    lineage = lineage or Lineage()
    decision = decide(report, step.config)
    card = write_down(step, bundle, report, decision, lineage, version_tags(bundle, checkpoint, report))
    make_it_so(step, card, lineage)
    for reason in card.reasons:
        step.log.info("%s", reason)
    step.log.info(
        "decision %d on %s: %s, version %s, ap50 %.4f", card.number, card.model, card.decision, card.challenger, card.ap50
    )
    return card


def quiet_if_kept(step: StepRun[Gate], card: Promotion) -> None:
    """Raises NothingToDo where the champion stays."""
    if card.decision == "kept champion":
        failed = "; ".join(reason for reason in card.reasons if reason.startswith("failed"))
        champion = f"version {card.champion_before} stays champion" if card.champion_before else "there is still no champion"
        raise NothingToDo(f"{card.model}: {champion}: {failed}")


if __name__ == "__main__":
    main("promote_model", Gate, work, after=quiet_if_kept)
