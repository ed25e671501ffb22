"""Decide, write the decision down, make it so: in that order, so that a try killed anywhere is finished by the next one.

    register the version → take the next number of the model's history → tag the version → move the alias → publish the card

The number is taken create-only: of two promoters one is first, and the other sees it and refuses, because the champion that
it was compared with is no longer the champion. The alias follows the history: whoever moves it looks again afterwards, so it
ends on the last promotion however the moves interleave.
"""

from __future__ import annotations

from collections.abc import Mapping

from include.artifacts import Bundle, Checkpoint, EvaluationReport, Promotion
from include.errors import BadInputError
from include.lineage import Lineage
from include.step.run import StepRun
from include.storage.content import content_key
from tasks.promote_model.config import Gate
from tasks.promote_model.history import History, last_promoted, own
from tasks.promote_model.promote import Decision

Step = StepRun[Gate]


def version_tags(bundle: Bundle, checkpoint: Checkpoint, report: EvaluationReport) -> dict[str, str]:
    """What the registry shows of a version: data, code, environment, who, how long, at what cost, how good. Of the training."""
    made = checkpoint.made_by
    tags = {
        "dataset": bundle.dataset, "dataset_digest": bundle.dataset_digest, "classes": ", ".join(bundle.classes),
        "git_commit": made.git_commit, "environment": made.environment, "runtime": made.runtime, "dag_id": made.dag_id,
        "run_id": made.run_id, "started_by": made.started_by, "duration_s": f"{made.duration_s:g}",
        "cost": f"{made.cost.amount:g} {made.cost.currency}", "ap50": f"{report.challenger.ap50:.4f}", "tag": bundle.tag,
        "checkpoint": bundle.checkpoint, "archive": content_key(bundle.archive),
    }  # fmt: skip
    return {f"visionloop.{name}": value for name, value in tags.items()}


def refuse_if_moved(report: EvaluationReport, serving: str | None, last: Promotion | None) -> None:
    """Raises BadInputError where the challenger was compared with someone who is no longer the champion."""
    moved_to = serving
    if last is not None and last.made_by.ended_at > report.made_by.started_at:
        moved_to = last.champion_after  # decided after our comparison; its alias may not have moved yet
    if moved_to != report.champion_version:
        raise BadInputError(
            f"{report.model}: the champion changed while this run was on: compared with version "
            f"{report.champion_version or 'none'}, now it is {moved_to or 'none'}; "
            "start the model's DAG again, so that the challenger meets the new champion"
        )


def write_down(
    step: Step, bundle: Bundle, report: EvaluationReport, decision: Decision, lineage: Lineage, tags: Mapping[str, str]
) -> Promotion:
    """The decision under its number: of an earlier try, or new."""
    history, source = History(step.store, bundle.model), f"{step.store.url}/{content_key(bundle.archive)}"
    while True:
        so_far = history.all()
        earlier = own(so_far, step)
        if earlier is not None:
            step.log.info("decision %d was written down by an earlier try", earlier.number)
            return earlier
        champion = lineage.champion(bundle.model)
        before = champion.version if champion else None
        refuse_if_moved(report, before, last_promoted(so_far))
        version = lineage.register(bundle.model, step.addresses["bundle"], source, bundle.mlflow_run_id, tags)
        card = step.card(
            Promotion,
            model=bundle.model,
            number=1 + max((one.number for one in so_far), default=0),
            decision="promoted" if decision.promote else "kept champion",
            reasons=decision.reasons,
            challenger=version,
            champion_before=before,
            champion_after=version if decision.promote else before,
            bundle=step.addresses["bundle"],
            ap50=report.challenger.ap50,
            champion_ap50=report.champion.ap50 if report.champion else None,
        )
        if step.store.create(card.standing_address, card.to_bytes()):
            return card


def make_it_so(step: Step, card: Promotion, lineage: Lineage) -> None:
    """Tag the version; move the alias, unless a later promotion already stands."""
    decided = {"visionloop.decision": card.decision, "visionloop.decision_number": str(card.number)}
    if card.challenger != card.champion_before:  # the champion compared with itself keeps the tags of its promotion
        lineage.tag_version(card.model, card.challenger, decided)
    if card.decision != "promoted":
        return
    history, looked_at = History(step.store, card.model), None
    while (last := last_promoted(history.all())) is not None and last != looked_at:
        serving = lineage.champion(card.model)
        # behind a later promotion, only our own late move is to be mended: anything else is that promoter's, or a rollback
        if last.number == card.number or (serving is not None and serving.version == card.champion_after):
            lineage.set_champion(card.model, str(last.champion_after))
        looked_at = last
