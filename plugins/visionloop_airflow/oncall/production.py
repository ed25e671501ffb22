"""What serves meanwhile."""

from __future__ import annotations

import json
import re
from typing import Any

from include.storage import Store
from visionloop_airflow.oncall.in_time import store_now


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
