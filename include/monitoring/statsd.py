"""What Airflow says by StatsD, for Prometheus: `airflow.ti.finish,dag_id=a,state=failed:1|c` is airflow_ti_finish_total.

Its many short processes each send what happened; here it is added up. Tags come as InfluxDB writes them
([metrics] statsd_influxdb_enabled), so no mapping of names is needed. Times come in milliseconds and are shown in seconds.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)
LINE = re.compile(
    r"(?P<name>[A-Za-z][\w.-]*)(?P<tags>(?:,[^,=:|]+=[^,=|]*)*):(?P<value>[+-]?[\d.eE+-]+)\|(?P<kind>c|g|ms)(?:\|@(?P<rate>0?\.\d+|1(?:\.0+)?))?"
)
# A run's end, as a time: a counter that begins with 1 has no increase, so the first failure would go unseen
RUN_END = re.compile(r"airflow\.dagrun\.duration\.(success|failed)")
STALE_AFTER_S = 300.0  # a gauge that is not sent any more is nobody's word
SHOWN = 20  # lines that were dropped, in the log
MOST_SERIES = 20_000  # anybody in the network may send: names without end must not fill the memory

Labels = tuple[tuple[str, str], ...]


@dataclass
class Series:
    """One metric with one set of labels. `total`: a counter's or gauge's value, a timer's seconds."""

    total: float = 0.0
    count: float = 0.0
    heard_at: float = 0.0


@dataclass(eq=False)  # a registry's collectors are told apart by identity
class Statsd(Collector):
    """Adds up; thread-safe. `heard_at`: when the last line came, Unix time."""

    series: dict[tuple[str, str], dict[Labels, Series]] = field(default_factory=dict)
    run_ends: dict[tuple[str, str], float] = field(default_factory=dict)
    dropped: int = 0
    heard_at: float = 0.0
    size: int = 0
    lock: Lock = field(default_factory=Lock)

    def hear(self, packet: bytes, now: float | None = None) -> None:
        """The lines of one datagram; what is no StatsD is counted and dropped."""
        now = time.time() if now is None else now
        with self.lock:
            for line in packet.decode("utf-8", "replace").splitlines():
                found = LINE.fullmatch(line.strip())
                if found is None or not self._add(found, now):
                    self.dropped += 1
                    if self.dropped <= SHOWN:
                        log.warning("dropped, no StatsD or one series too many: %.200r", line)

    def _add(self, found: re.Match[str], now: float) -> bool:
        try:
            value = float(found["value"])
        except ValueError:
            return False
        labels = _labels(found["tags"])
        known = self.series.setdefault((found["name"], found["kind"]), {})
        if labels not in known:
            if self.size >= MOST_SERIES:
                return False
            known[labels] = Series()
            self.size += 1
        one, self.heard_at = known[labels], now
        each = 1 / (float(found["rate"] or 1) or 1)  # of ten that happened, one is sent at a rate of 0.1
        one.heard_at, one.count = now, one.count + each
        if found["kind"] == "g":
            one.total = one.total + value if found["value"][0] in "+-" else value
        elif found["kind"] == "ms":
            one.total += value / 1000 * each
            if end := RUN_END.fullmatch(found["name"]):
                self.run_ends[dict(labels).get("dag_id", ""), end[1]] = now
        elif value > 0:  # Airflow counts parsing processes up and down; a counter only grows
            one.total += value * each
        return True

    def collect(self) -> Iterator[Metric]:
        now = time.time()
        with self.lock:
            for (name, kind), known in sorted(self.series.items()):
                if kind == "g":
                    for labels in [labels for labels, one in known.items() if now - one.heard_at > STALE_AFTER_S]:
                        del known[labels]
                        self.size -= 1
                yield _family(re.sub(r"\W", "_", name), kind, known)
            ends = GaugeMetricFamily("airflow_dagrun_last_end_timestamp_seconds", "When a run of a DAG last ended so")
            for (dag_id, state), at in self.run_ends.items():
                ends.add_sample(ends.name, {"dag_id": dag_id, "state": state}, at)
            heard = GaugeMetricFamily(
                "visionloop_statsd_heard_timestamp_seconds", "When Airflow last said a number", self.heard_at
            )
            dropped = CounterMetricFamily(
                "visionloop_statsd_lines_dropped", "Lines that were no StatsD, or too many", self.dropped
            )
        yield from (ends, heard, dropped)


def _labels(tags: str) -> Labels:
    pairs = (tag.split("=", 1) for tag in tags.split(",")[1:])
    return tuple(sorted((re.sub(r"\W", "_", name), value) for name, value in pairs))


def _family(name: str, kind: str, known: dict[Labels, Series]) -> Metric:
    """Samples are added by hand: Airflow gives one name different tags, which the families' own methods do not allow."""
    if kind == "ms":
        summary = SummaryMetricFamily(f"{name}_seconds", "by Airflow's StatsD")
        for labels, one in known.items():
            summary.add_sample(f"{summary.name}_count", dict(labels), one.count)
            summary.add_sample(f"{summary.name}_sum", dict(labels), one.total)
        return summary
    family: Any = (
        CounterMetricFamily(name, "by Airflow's StatsD") if kind == "c" else GaugeMetricFamily(name, "by Airflow's StatsD")
    )
    for labels, one in known.items():
        family.add_sample(f"{family.name}_total" if kind == "c" else family.name, dict(labels), one.total)
    return family  # type: ignore[no-any-return]
