"""Alerts on their way. Each waits at alerts/waiting/ until everybody was told: neither a kill nor a dead chat loses one.

An alert may come twice, when its sender was killed at the wrong moment; it is never silently lost. What has not gone out after
a day is moved to alerts/given_up/.
"""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime, timedelta

from include.monitoring.alerts import Alert, send
from include.storage import Store
from visionloop_airflow.oncall.in_time import store_now

log = logging.getLogger(__name__)
WAITING, GIVEN_UP = "alerts/waiting", "alerts/given_up"
GIVE_UP_AFTER = timedelta(days=1)
SENDING = timedelta(minutes=2)  # a younger alert may just be on its way


def tell(alert: Alert) -> bool:
    """Whether everybody whom it concerns was told; if not, it is tried again by `tell_again`."""
    store, key = None, f"{WAITING}/{alert.at[:19].replace(':', '')}-{uuid.uuid4().hex[:8]}.json"
    try:
        store = store_now()
        store.write(key, alert.to_bytes())
    except Exception as error:  # nowhere to keep it, so all the more reason to say it
        log.warning("alert not kept: %s", error)
        store = None
    told = send(alert)
    if told and store is not None:
        store.delete(key)
    return told


def tell_again(now: datetime | None = None) -> int:
    """Send what waits. Returns how many alerts went out."""
    store, went_out = store_now(), 0
    now = now or datetime.now(UTC)
    for entry in list(store.list(WAITING)):
        if now - entry.modified < SENDING:
            continue
        alert = Alert.from_bytes(store.read(entry.key))
        if send(alert):
            went_out += 1
            store.delete(entry.key)
        elif now - entry.modified > GIVE_UP_AFTER:
            _give_up(store, entry.key)
    return went_out


def _give_up(store: Store, key: str) -> None:
    log.error("given up after a day: %s", key)
    store.write(key.replace(WAITING, GIVEN_UP), store.read(key))
    store.delete(key)
