"""Prometheus' alerts, on to whom include/alerting/ names: Alertmanager posts here, Apprise carries them on.

Nothing is kept: what was not taken by everybody is answered with 503, and Alertmanager comes again. Its `Watchdog` is an alert
that always fires and is told to nobody: each one is passed on to VISIONLOOP_WATCHDOG_URL, which misses it when this machine is
gone, and when none comes for VISIONLOOP_WATCHDOG_WITHIN_S, then Prometheus or Alertmanager is gone, and people are told here.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge

from include.definitions import Severity
from include.monitoring.alerts import Alert, models_of, send

log = logging.getLogger(__name__)
WATCHDOG = "Watchdog"
WITHIN_S, AGAIN_AFTER_S = 600.0, 4 * 3600.0
SEVERITIES = ("critical", "error", "warning")
ALL = "stack"  # concerns every model


class Relay:
    """`heard_at`: when the last Watchdog came, or this began. `silent_since`: when people were last told of that; or 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.heard_at, self.has_heard, self.silent_since = time.time(), False, 0.0
        self.relayed = Counter(
            "visionloop_alerts_relayed", "Messages of Alertmanager, told or not", ["outcome"], registry=registry
        )  # fmt: skip
        watchdog = Gauge(
            "visionloop_watchdog_heard_timestamp_seconds", "When Alertmanager's last Watchdog came", registry=registry
        )
        watchdog.set_function(lambda: self.heard_at)
        for outcome in ("told", "not told"):
            self.relayed.labels(outcome)

    def take(self, message: Mapping[str, Any]) -> bool:
        """Whether everybody was told of a message of Alertmanager's webhook (version 4)."""
        if all(one["labels"].get("alertname") == WATCHDOG for one in message["alerts"]):
            self._pass_on()
            return True
        told = send(of_message(message, datetime.now(UTC)))
        self.relayed.labels("told" if told else "not told").inc()
        return told

    def _pass_on(self) -> None:
        self.heard_at, self.has_heard = time.time(), True
        if self.silent_since and send(_silence("over: Prometheus' Watchdog comes again", "The stack is watched again.")):
            self.silent_since = 0.0
        if url := os.environ.get("VISIONLOOP_WATCHDOG_URL"):
            try:
                httpx.get(url, timeout=10).raise_for_status()
            except httpx.HTTPError as error:  # the URL is a secret, and may be in the error's text
                log.error("VISIONLOOP_WATCHDOG_URL does not take the Watchdog: %s", type(error).__name__)

    def look(self, now: float) -> None:
        """Tell people, every four hours, that no Watchdog came for VISIONLOOP_WATCHDOG_WITHIN_S (600, once one has come)."""
        within_s = os.environ.get("VISIONLOOP_WATCHDOG_WITHIN_S") or (WITHIN_S if self.has_heard else None)
        if within_s is None or now - self.heard_at < float(within_s) or now - self.silent_since < AGAIN_AFTER_S:
            return
        since = f"no Watchdog came for {(now - self.heard_at) / 60:.0f} minutes: nobody watches the stack"
        if send(_silence("Prometheus or Alertmanager is silent", f"{since}\n\nWhat to do: {runbook('watchdog')}")):
            self.silent_since = now


def _silence(title: str, text: str) -> Alert:
    return Alert("error", title, text, models_of(ALL), datetime.now(UTC).isoformat())


def of_message(message: Mapping[str, Any], now: datetime) -> Alert:
    """One alert of a group of Prometheus': what fires, since when, what to do; and what is over."""
    several = message["alerts"]
    firing = [one for one in several if one["status"] == "firing"]
    first = (firing or several)[0]
    severity = first["labels"].get("severity")
    summaries = [one["annotations"].get("summary", one["labels"].get("alertname", "?")) for one in firing or several]
    title = summaries[0] + (f", and {len(summaries) - 1} more" if len(summaries) > 1 else "")
    lines = [line for one in several for line in _lines(one)]
    if firing and (anchor := first["annotations"].get("runbook")):
        lines.append(f"What to do: {runbook(anchor)}")
    models = {model for one in several for model in _models(one["labels"])}
    return Alert(
        cast(Severity, severity if severity in SEVERITIES else "error"),
        title if firing else f"over: {title}",
        "\n".join(lines),
        tuple(sorted(models)),
        now.isoformat(),
    )


def _lines(one: Mapping[str, Any]) -> list[str]:
    said, since = one["annotations"], str(one["startsAt"])[:16].replace("T", " ")
    if one["status"] != "firing":
        return [f"Over: {said.get('summary', '')} (since {since} UTC)"]
    return [f"{said.get('summary', '')} (since {since} UTC)", said.get("description", ""), ""]


def _models(labels: Mapping[str, str]) -> tuple[str, ...]:
    if "model" in labels:
        return (labels["model"],)
    if "source" in labels:
        return models_of(f"labels__{labels['source']}")
    return models_of(ALL)


def runbook(anchor: str) -> str:
    """Where the page is: Airflow's may be what is down, so the file's name unless VISIONLOOP_RUNBOOK_URL says better."""
    return f"{os.environ.get('VISIONLOOP_RUNBOOK_URL') or 'docs/on-call.md'}#{anchor}"
