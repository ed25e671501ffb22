"""A spot check so far: what people said, kept for good, and what it says of all labels of the batch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from include.artifacts import SpotCheck
from include.errors import BadInputError
from include.spot_checks.estimate import Estimate, Reviewed, Share, estimate, share_of
from include.spot_checks.sheet import NAMED, OK, Row, Said, from_json
from include.storage import Store

NOUNS = {"annotation": "labels", "image": "pictures"}


@dataclass(frozen=True)
class StratumResult:
    """One stratum; `share` is None where nobody looked at it."""

    subject: str
    name: str
    population: int
    sampled: int
    reviewed: int
    wrong: int
    share: Share | None


@dataclass(frozen=True)
class Result:
    """Of one batch, or of several together. `verdicts`: how often each was given, by subject."""

    of: dict[str, Estimate]  # by subject
    strata: tuple[StratumResult, ...]
    verdicts: dict[str, dict[str, int]]
    sampled: dict[str, int]
    people: tuple[str, ...]

    def sentences(self) -> list[str]:
        """One per subject that was sampled."""
        return [self._sentence(subject) for subject, sampled in self.sampled.items() if sampled]

    def _sentence(self, subject: str) -> str:
        one, noun = self.of[subject], NOUNS[subject]
        what = f"{one.reviewed:,} of {self.sampled[subject]:,} sampled {noun} reviewed"
        if one.share is None:
            return f"{what}: nothing is known yet."
        wrong = {verdict: number for verdict, number in self.verdicts[subject].items() if verdict != OK}
        said = f" ({', '.join(f'{number:,} {verdict}' for verdict, number in wrong.items())})" if wrong else ""
        miss = "are wrong" if subject == "annotation" else "miss an object"
        share = (
            f"{one.share.rate:.1%} of all {one.population:,} {noun} {miss}, {one.share.low:.1%} to {one.share.high:.1%} with 95%"
        )
        part = "" if one.covered == 1 else f"; nobody looked at the strata of {1 - one.covered:.0%} of them"
        return f"{what}{said}: {share} confidence{part}."


def read_rows(store: Store, card: SpotCheck) -> list[Row]:
    return from_json(store.read(card.sample))


def read_verdicts(store: Store, card: SpotCheck) -> tuple[dict[int, Said], tuple[str, ...]]:
    """What stands, by item, and who said it. Later records replace earlier ones."""
    said: dict[int, Said] = {}
    people: dict[str, None] = {}
    for entry in sorted(store.list(card.verdicts), key=lambda entry: entry.key):
        record = json.loads(store.read(entry.key))
        said |= {int(item): Said(**one) for item, one in record["said"].items()}
        people[record["who"]] = None
    return said, tuple(people)


def record(store: Store, card: SpotCheck, said: Mapping[int, Said], who: str, is_change: bool = False) -> int:
    """Keep verdicts for good; returns how many were new. Raises BadInputError for another verdict than stands, unless it is a
    change. Records are create-only: of two people at once, the second is compared with what the first said.
    """
    while True:
        stands, _ = read_verdicts(store, card)
        new = {item: one for item, one in said.items() if stands.get(item) != one}
        other = [item for item, one in new.items() if item in stands and stands[item].verdict != one.verdict]
        if other and not is_change:
            listed = "; ".join(f"item {item}: {stands[item].verdict}, now {new[item].verdict}" for item in sorted(other)[:NAMED])
            raise BadInputError(
                f"{len(other)} items of {card.source} {card.batch_id} have another verdict already: {listed}. "
                "Nothing was recorded; give --change if the new ones shall stand (the old are kept in the history)"
            )
        if not new:
            return 0
        taken = {entry.key for entry in store.list(card.verdicts)}
        key = next(key for n in count(1) if (key := f"{card.verdicts}/{n:06}.json") not in taken)
        body = {
            "who": who, "when": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "said": {str(item): {"verdict": one.verdict, "note": one.note} for item, one in sorted(new.items())},
        }  # fmt: skip
        if store.create(key, json.dumps(body, indent=1).encode()):
            return len(new)


def result(store: Store, card: SpotCheck) -> Result:
    """Of one batch, as of now."""
    return together([(card, read_rows(store, card), *read_verdicts(store, card))])


def together(checks: Iterable[tuple[SpotCheck, list[Row], Mapping[int, Said], tuple[str, ...]]]) -> Result:
    """Of batches: each keeps its strata, because each was sampled on its own."""
    strata: list[StratumResult] = []
    verdicts: dict[str, Counter[str]] = {subject: Counter() for subject in NOUNS}
    people: dict[str, None] = {}
    for card, rows, said, who in checks:
        people |= dict.fromkeys(who)
        seen = [(row, said[row.item].verdict) for row in rows if row.item in said]
        reviewed = Counter((row.subject, row.stratum) for row, _ in seen)
        wrong = Counter((row.subject, row.stratum) for row, verdict in seen if verdict != OK)
        for row, verdict in seen:
            verdicts[row.subject][verdict] += 1
        for one in card.strata:
            key = (one.subject, one.name)
            counted = Reviewed(one.name, one.population, reviewed[key], wrong[key])
            strata.append(StratumResult(
                one.subject, one.name, one.population, one.sampled, reviewed[key], wrong[key], share_of(counted)
            ))  # fmt: skip
    of = {
        subject: estimate([Reviewed(s.name, s.population, s.reviewed, s.wrong) for s in strata if s.subject == subject])
        for subject in NOUNS
    }
    sampled = {subject: sum(one.sampled for one in strata if one.subject == subject) for subject in NOUNS}
    return Result(of, tuple(strata), {subject: dict(found) for subject, found in verdicts.items()}, sampled, tuple(people))
