"""Looks every half minute, in threads of their own: no scrape waits for a service that hangs."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import psutil
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from include.monitoring import alerts
from include.monitoring.kept import Kept
from include.storage import open_store

log = logging.getLogger(__name__)
LOOK_EVERY_S = 30.0
WITHIN_S = 10.0
COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


@dataclass(eq=False)
class Watch(Collector):
    """What the last looks found. Numbers of a store that does not answer any more stay, with the time that they are of."""

    kept: Kept = field(default_factory=Kept)
    found: dict[str, list[Metric]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def start(self) -> None:
        """One thread each: a store that hangs does not hide that Airflow is down."""
        for look in (self.look_at_store, self.look_at_airflow, self.look_at_mlflow, self.look_around):
            threading.Thread(target=_for_ever, args=(look,), daemon=True).start()

    def collect(self) -> Iterator[Metric]:
        merged: dict[str, Metric] = {}
        for metrics in list(self.found.values()):
            for one in metrics:
                if one.name in merged:
                    merged[one.name].samples.extend(one.samples)
                else:
                    merged[one.name] = Metric(one.name, one.documentation, one.type)
                    merged[one.name].samples.extend(one.samples)
        return iter(merged.values())

    def look_at_store(self) -> None:
        why = None
        try:
            metrics = self.kept.look(open_store(os.environ["VISIONLOOP_STORE"], within_s=WITHIN_S), datetime.now(UTC))
            at = GaugeMetricFamily("visionloop_store_looked_at_timestamp_seconds", "When the store was last read", time.time())
            self.found["kept"] = [*metrics, at]
        except Exception as error:
            why = error
        self.found["store"] = [_answers("store", why)]

    def look_at_airflow(self) -> None:
        base = os.environ.get("VISIONLOOP_AIRFLOW_URL", "http://127.0.0.1:8080").rstrip("/")
        why, health = None, {}
        try:
            answer = httpx.get(f"{base}/api/v2/monitor/health", timeout=WITHIN_S).raise_for_status().json()
            health = {part: answer.get(part) or {} for part in COMPONENTS}
        except Exception as error:
            why = error
        healthy = GaugeMetricFamily("visionloop_airflow_component_healthy", "As Airflow's health page says", labels=["component"])
        beats = GaugeMetricFamily(
            "visionloop_airflow_heartbeat_timestamp_seconds", "Its last heartbeat, by Airflow's health page", labels=["component"]
        )
        for part, said in health.items():  # of none where the api-server is gone: nothing is known of the others
            healthy.add_metric([part], said.get("status") == "healthy")
            if beat := said.get(f"latest_{part}_heartbeat"):
                beats.add_metric([part], datetime.fromisoformat(beat).timestamp())
        self.found["airflow"] = [_answers("airflow", why), healthy, beats]

    def look_at_mlflow(self) -> None:
        why = None
        try:
            httpx.get(f"{os.environ['MLFLOW_TRACKING_URI'].rstrip('/')}/health", timeout=WITHIN_S).raise_for_status()
        except Exception as error:
            why = error
        self.found["mlflow"] = [_answers("mlflow", why)]

    def look_around(self) -> None:
        """The disk that this process is on (a container's: where the engine keeps volumes), and the routes of alerts."""
        home = os.environ.get("VISIONLOOP_HOME", "/")
        disk = psutil.disk_usage(home if os.path.exists(home) else "/")
        wrong = alerts.problems()
        if wrong != self.wrong:
            self.wrong = wrong
            for problem in wrong:
                log.error("%s", problem)
        self.found["around"] = [
            GaugeMetricFamily("visionloop_disk_size_bytes", "Of the disk that the stack is on", disk.total),
            GaugeMetricFamily("visionloop_disk_free_bytes", "What is free of it", disk.free),
            GaugeMetricFamily("visionloop_alert_route_problems", "What is wrong in include/alerting/; see the log", len(wrong)),
        ]


def _answers(service: str, why: Exception | None) -> Metric:
    family = GaugeMetricFamily("visionloop_up", "Whether a service answered", labels=["service"])
    family.add_metric([service], why is None)
    if why is not None:
        log.warning("%s does not answer: %s: %s", service, type(why).__name__, str(why)[:300])
    return family


def _for_ever(look: Callable[[], None]) -> None:
    while True:
        try:
            look()
        except Exception:
            log.exception("%s", look.__name__)
        time.sleep(LOOK_EVERY_S)
