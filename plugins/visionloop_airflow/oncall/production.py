"""Which models a DAG's failure concerns, and what serves meanwhile."""

from __future__ import annotations

import json
import re
from typing import Any

from include.definitions import DatasetDefinition, ModelDefinition
from include.storage import Store
from visionloop_airflow import definitions
from visionloop_airflow.oncall.in_time import store_now


def models_of(dag_id: str) -> tuple[str, ...]:
    """Of labels__<source> and dataset__<dataset>, the models that wait for them; of what is nobody's own, all."""
    kind, _, name = dag_id.partition("__")
    models = list(definitions.good(ModelDefinition))
    if kind == "labels":
        datasets = {one.name for one in definitions.good(DatasetDefinition) if name in one.sources}
    elif kind == "dataset" and name:
        datasets = {name}
    elif name:
        return (name,)
    else:
        return tuple(one.name for one in models)
    return tuple(one.name for one in models if one.dataset in datasets)


def what_serves(model: str) -> str:
    """One sentence on the champion, by the promotions' own record; it does not ask MLflow, which may be what is down."""
    store = store_now()
    decisions = sorted(_numbers(store, model), reverse=True)
    if not decisions:
        return f"{model}: no champion yet: nothing serves"
    latest = since = _decision(store, model, decisions[0])
    for number in decisions[1:]:
        if (before := _decision(store, model, number))["champion_after"] != latest["champion_after"]:
            break
        since = before
    at = str(since["made_by"]["ended_at"])[:16].replace("T", " ")
    return f"{model}: champion {latest['champion_after']} still serves, since {at} UTC"


def _numbers(store: Store, model: str) -> list[int]:
    found = (re.fullmatch(r".*/promotions/([0-9]+)\.json", entry.key) for entry in store.list(f"models/{model}/promotions"))
    return [int(one[1]) for one in found if one]


def _decision(store: Store, model: str, number: int) -> dict[str, Any]:
    return dict(json.loads(store.read(f"models/{model}/promotions/{number}.json")))
