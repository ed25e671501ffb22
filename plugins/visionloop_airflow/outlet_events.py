"""What an asset's event says of what a step made: which version, and its digest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from airflow.sdk import Asset, AssetAlias

from include.storage import open_store
from visionloop_airflow import assets


def read_card(address: str) -> dict[str, Any]:
    """As plain JSON: the classes of cards are not imported here."""
    card: dict[str, Any] = json.loads(open_store(os.environ["VISIONLOOP_STORE"]).read(address))
    return card


def tell(outlets: Iterable[Any], events: Any, card: dict[str, Any]) -> None:
    """Fill Airflow's `outlet_events`. An alias stands for the dataset that the card names: a form decided which."""
    facts = {key: card[key] for key in ("version", "digest") if key in card}
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            events[outlet].add(assets.dataset(card["name"]), extra=facts)
        elif isinstance(outlet, Asset):
            events[outlet].extra |= facts
