"""How the labels of a version were checked: batch by batch, with the way to each one's Data Docs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from obstore.exceptions import PermissionDeniedError

from include import pages
from include.artifacts import CheckedLabels, DatasetVersion
from include.errors import BadInputError
from include.storage import Store
from include.storage.content import in_threads

BATCHES = 30  # in the table, the newest; the sums are of all
TO_STORE = "../../"  # from datasets/<name>/<version>.html


def checks_of(store: Store, addresses: Sequence[str]) -> list[CheckedLabels]:
    """The cards, the newest first, but for those that are gone or that this step's key may not read (docs/storage_policy.md): the
    page then says less.
    """

    def read(address: str) -> CheckedLabels | None:
        try:
            return CheckedLabels.load(store, address)
        except (BadInputError, PermissionDeniedError):
            return None

    found = [card for card in in_threads(read, addresses) if card is not None]
    return sorted(found, key=lambda card: card.made_by.ended_at, reverse=True)


def checks_part(store: Store, version: DatasetVersion) -> list[str]:
    """HTML; nothing of a version that was not made of checked labels."""
    cards = checks_of(store, version.checked_labels)
    if not cards:
        return []
    rows = [_row(card) for card in cards[:BATCHES]]
    more = [pages.paragraph(f"and {len(cards) - BATCHES:,} earlier batches", "soft")] if len(cards) > BATCHES else []
    head = ["batch", "checked", "boxes that teach", "set aside", "repaired", "warned", "suites"]
    return [
        pages.heading("How its labels were checked"),
        pages.paragraph(in_a_sentence(cards)),
        pages.table(head, rows, "words"),
        *more,
    ]


def in_a_sentence(cards: Sequence[CheckedLabels]) -> str:
    """What came of all batches, and the rules that set most aside."""
    accepted, rejected = (sum(getattr(card, f"annotations_{what}") for card in cards) for what in ("accepted", "rejected"))
    rules: Counter[str] = Counter()
    for card in cards:
        rules.update(card.rejected_by_rule)
    named = ", ".join(f"{rule} {count:,}" for rule, count in rules.most_common(5))
    let_through = sum(card.let_through is not None for card in cards)
    stopped = f" {let_through:,} were stopped, and let through by a person." if let_through else ""
    batches = f"{len(cards):,} batch{'es' if len(cards) > 1 else ''}"
    return f"{batches}: {accepted:,} boxes taken, {rejected:,} set aside{f' ({named})' if named else ''}.{stopped}"


def _row(card: CheckedLabels) -> list[str]:
    repaired, warned = (f"{sum(by_rule.values()):,}" for by_rule in (card.repaired_by_rule, card.warned_by_rule))
    name = f"{card.source} {card.batch_id}"
    who = f"; let through by {card.let_through.person}: {card.let_through.reason}" if card.let_through else ""
    return [
        pages.link(f"{TO_STORE}{card.data_docs}", name), f"{card.made_by.ended_at:%Y-%m-%d %H:%M}{who}",
        f"{card.annotations_accepted:,}", f"{card.annotations_rejected:,}", repaired, warned, ", ".join(card.suites) or "–",
    ]  # fmt: skip
