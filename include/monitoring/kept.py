"""What the store says of labels, datasets, models and alerts, as metrics. Reads cards once: they never change."""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from croniter import croniter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from include.definitions import DatasetDefinition, ModelDefinition, SourceDefinition, read_definitions
from include.definitions.files import DefinitionT
from include.errors import ConfigError, StepError
from include.labelling.ledger import Ledger
from include.storage import Store

log = logging.getLogger(__name__)
UNREADABLE = (StepError, ValueError, KeyError, TypeError, FileNotFoundError)  # a card's fault, or just gone: not the store's
# Numbers of one source, dataset or model by metric; None: there is none yet
Numbers = dict[str, float | None]
HELP = {
    "source_last_intake_timestamp_seconds": "When the last batch of labels was taken in",
    "source_taken_in_items": "Jobs, tasks or files whose labels stand",
    "source_pending_items": "Finished there, not taken in as they are now",
    "source_waiting_items": "Not finished by the team's rule",
    "source_refused_items": "Could not be read",
    "source_oldest_pending_timestamp_seconds": "When the oldest pending item was finished; absent: nothing is pending",
    "source_quiet_after_seconds": "quiet_after_h of its definition",
    "source_max_wait_seconds": "max_wait_s of its definition",
    "dataset_versions": "Versions of a dataset",
    "dataset_last_version_timestamp_seconds": "When the latest version was made",
    "model_last_decision_timestamp_seconds": "When a run last came to its end: a decision on the champion",
    "model_retraining_due_timestamp_seconds": "The last nightly start after which late_after_h have passed",
    "model_champion_version": "Version number in the registry",
    "model_champion_ap50": "AP50 of the champion, by the report of the last decision",
    "model_challenger_ap50": "AP50 of the challenger in the last decision",
    "model_champion_since_timestamp_seconds": "When the champion was promoted",
    "alerts_waiting": "Alerts of Airflow that nobody took yet",
    "alerts_given_up": "Alerts that nobody took within a day",
    "alerts_oldest_waiting_timestamp_seconds": "When the oldest waiting alert was written; absent: none waits",
    "unread": "Sources and models with a card that cannot be read",
}


@dataclass
class Kept:
    """Looks at the store; remembers what it need not read again."""

    sources: dict[str, tuple[frozenset[str], Numbers]] = field(default_factory=dict)
    decisions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def look(self, store: Store, now: datetime) -> list[Metric]:
        """Raises what the store raises."""
        found: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for labels, numbers in self._all(store, now):
            for name, value in numbers.items():
                if value is not None:
                    found[name].append((labels, value))
        metrics: list[Metric] = []
        for name, samples in found.items():
            family = GaugeMetricFamily(f"visionloop_{name}", HELP[name])
            for labels, value in samples:
                family.add_sample(family.name, labels, value)
            metrics.append(family)
        return metrics

    def _all(self, store: Store, now: datetime) -> Iterator[tuple[dict[str, str], Numbers]]:
        unread = 0
        for source in good(SourceDefinition):
            quiet_s = None if source.quiet_after_h is None else source.quiet_after_h * 3600
            yield {"source": source.name}, {"source_quiet_after_seconds": quiet_s, "source_max_wait_seconds": source.max_wait_s}
            try:
                yield {"source": source.name}, self._source(store, source.name)
            except UNREADABLE as error:
                unread += _say(f"labels/{source.name}", error)
        for dataset in good(DatasetDefinition):
            yield {"dataset": dataset.name}, _dataset(store, dataset.name)
        for model in good(ModelDefinition):
            yield {"model": model.name}, _due(model, now)
            try:
                yield {"model": model.name}, self._model(store, model.name)
            except UNREADABLE as error:
                unread += _say(f"models/{model.name}", error)
        yield {}, _alerts(store) | {"unread": unread}

    def _source(self, store: Store, source: str) -> Numbers:
        keys = frozenset(entry.key for part in ("batches", "seen") for entry in store.list(f"labels/{source}/{part}"))
        if source not in self.sources or self.sources[source][0] != keys:
            self.sources[source] = keys, _intake(Ledger(store, source))
        return self.sources[source][1]

    def _model(self, store: Store, model: str) -> Numbers:
        numbered = (re.fullmatch(rf"models/{model}/promotions/([0-9]+)\.json", one.key) for one in store.list(f"models/{model}"))
        keys = [one[0] for one in sorted((one for one in numbered if one), key=lambda one: int(one[1]), reverse=True)]
        if not keys:
            return {}
        last = self._decision(store, keys[0])
        promoted = next((one for key in keys if (one := self._decision(store, key))["decision"] == "promoted"), None)
        champion = last["champion_after"]
        return {
            "model_last_decision_timestamp_seconds": _ended(last),
            "model_champion_version": float(champion) if champion else None,
            "model_champion_ap50": last["ap50"] if last["decision"] == "promoted" else last["champion_ap50"],
            "model_challenger_ap50": last["ap50"],
            "model_champion_since_timestamp_seconds": _ended(promoted) if promoted else None,
        }

    def _decision(self, store: Store, key: str) -> dict[str, Any]:
        if key not in self.decisions:
            self.decisions[key] = json.loads(store.read(key))
        return self.decisions[key]


def _say(folder: str, error: Exception) -> int:
    log.warning("%s: a card that cannot be read: %s: %s", folder, type(error).__name__, str(error)[:300])
    return 1


def good(kind: type[DefinitionT]) -> Iterator[DefinitionT]:
    """Broken definitions are told of by Airflow."""
    return (found for _, found in read_definitions(kind) if not isinstance(found, ConfigError))


def _intake(ledger: Ledger) -> Numbers:
    last = [times[-1][1] for times in ledger.taken.values()]
    pending = [one.updated_at.timestamp() for one in ledger.pending()]
    return {
        "source_last_intake_timestamp_seconds": max((_at(one.made_by.ended_at) for one in ledger.batches), default=None),
        "source_taken_in_items": sum(one.refused is None and not one.is_gone for one in last),
        "source_pending_items": len(pending),
        "source_waiting_items": sum(one.status == "waiting" for one in ledger.seen.values()),
        "source_refused_items": sum(one.refused is not None for one in last),
        "source_oldest_pending_timestamp_seconds": min(pending, default=None),
    }


def _dataset(store: Store, dataset: str) -> Numbers:
    listed = store.list(f"datasets/{dataset}")
    made = [entry.modified.timestamp() for entry in listed if re.fullmatch(rf"datasets/{dataset}/v[0-9]+\.json", entry.key)]
    return {"dataset_versions": len(made), "dataset_last_version_timestamp_seconds": max(made, default=None)}


def _alerts(store: Store) -> Numbers:
    waiting = [entry.modified.timestamp() for entry in store.list("alerts/waiting")]
    given_up = sum(1 for _ in store.list("alerts/given_up"))
    oldest = min(waiting, default=None)
    return {"alerts_waiting": len(waiting), "alerts_given_up": given_up, "alerts_oldest_waiting_timestamp_seconds": oldest}


def _due(model: ModelDefinition, now: datetime) -> Numbers:
    try:
        cron = croniter(model.nightly, now - timedelta(hours=model.late_after_h))
        return {"model_retraining_due_timestamp_seconds": cron.get_prev(float)}
    except ValueError:  # told of by Airflow
        return {}


def _ended(card: dict[str, Any]) -> float:
    return _at(datetime.fromisoformat(card["made_by"]["ended_at"]))


def _at(when: datetime) -> float:
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
