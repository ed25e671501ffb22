"""Prove that every object that a dataset version names is there, whole and unchanged; mark the versions of which it is not so.

    python -m tasks.audit_storage --output FOLDER --config '{"dataset": "trees", "deep": false}'

Reads   the bucket's listing, every version's card, listing and tables; and the objects that the listing does not prove to be
        whole (include/versions/keep/verify.py). `deep` reads every object.
Writes  a storage_audit card; report.html beside it; marks at `datasets/<name>/broken/<version>/<n>.json`, which make training,
        evaluation and derivation refuse a version, and which an audit that finds the version whole again lifts.

Exit 3 if anything is damaged: the card stands, and the error line names versions, models and aliases. To mend: restore the
objects that the report lists from the bucket's backup (or `dvc push` them from a clone), then start a new run.
"""

from __future__ import annotations

from include.artifacts import StorageAudit
from include.artifacts.storage_audit import BrokenVersion
from include.errors import BadInputError
from include.step.run import StepRun, main
from include.versions.keep.broken import mark_of, verify_and_mark
from include.versions.keep.health import Verified
from include.versions.keep.verify import version_keys
from tasks.audit_storage.config import AuditStorage
from tasks.audit_storage.report import render

SHOWN = 100  # damages that the card names for each version; its mark names more

Step = StepRun[AuditStorage]


def audit(step: Step) -> StorageAudit:
    """The card of what was found; the marks stand."""
    keys = version_keys(step.store, step.config.dataset or None)
    verified, mended = verify_and_mark(step.store, keys, step.output, step.config.deep)
    step.log.info(
        "%d versions name %d objects; %d objects read, ETags %s; %d versions broken, %d mended", len(verified.versions),
        verified.objects, verified.objects_read, "trusted" if verified.etags_trusted else "not trusted", len(verified.broken),
        len(mended),
    )  # fmt: skip
    page = f"{step.output}/report.html"
    step.store.write(page, render(verified, mended, step.config.deep))
    return step.card(
        StorageAudit,
        versions=tuple(one.label for one in verified.versions),
        broken=tuple(broken_versions(step, verified)),
        mended=tuple(mended),
        objects=verified.objects,
        objects_read=verified.objects_read,
        etags_trusted=verified.etags_trusted,
        page=page,
    )


def broken_versions(step: Step, verified: Verified) -> list[BrokenVersion]:
    marks = {one.key: mark_of(step.store, one.dataset, one.version) for one in verified.broken}
    return [
        BrokenVersion(
            version=one.label, damaged=len(one.damages), damages=tuple(one.damages[:SHOWN]), models=one.models,
            aliases=one.aliases, mark=mark.key if (mark := marks[one.key]) else None,
        )
        for one in verified.broken
    ]  # fmt: skip


def end_red_if_damaged(step: Step, card: StorageAudit) -> None:
    """Raises BadInputError that names what is broken and whom it touches."""
    if not card.broken:
        return
    first = card.broken[0].damages[0]
    damages = sum(one.damaged for one in card.broken)
    models = sorted({model for one in card.broken for model in one.models})
    aliases = sorted(f"{one.version.split(':')[0]}:{alias}" for one in card.broken for alias in one.aliases)
    raise BadInputError(
        f"{len(card.broken)} of {len(card.versions)} dataset versions are damaged: {', '.join(o.version for o in card.broken)}; "
        f"models trained on them: {', '.join(models) or 'none'}; aliases: {', '.join(aliases) or 'none'}; {damages} damages, "
        f"first {first.key} ({first.relpath}): {first.what}. Put back what {step.store.url}/{card.page} lists, then run anew"
    )


if __name__ == "__main__":
    main("audit_storage", AuditStorage, audit, after=end_red_if_damaged)
