"""Claim: 100,000 boxes are taken in from Label Studio and from CVAT in bounded memory, and after 1% changed the cost is about 1%.

How: a local server shaped as each service (benchmarks/label_services): 5,000 images of 20 boxes. ingest_labels as Airflow runs
it, a process with a folder as its store: all; nothing new (what starting Python and reading the ledger cost); 1% of the tasks
or jobs changed. Requests and bytes are the server's, memory is the peak of the step. Half as much is taken in too: what memory
grows by. No peer: neither SDK keeps a ledger.

    .venv/data/bin/python -m benchmarks.ingest_labels_from_services
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.label_services.server import BOXES, CHANGED, SERVICES

IMAGES = 5000
MOST_MB, MOST_ASKED, MOST_BUSY = 600, 0.03, 0.1  # of the processor's time: a second is the import of CVAT's SDK


@dataclass(frozen=True)
class Cost:
    """Of one run of the step. `busy_s`: of the processor."""

    took_s: float
    busy_s: float
    peak_mb: float
    requests: int
    sent_mb: float
    found: int


class Server:
    """The service, running."""

    def __init__(self, kind: str, images: int) -> None:
        self.kind, self.token = kind, SERVICES[kind].secret
        command = [sys.executable, "-m", "benchmarks.label_services.server", kind, str(images)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, what: str) -> tuple[int, int]:
        """Requests and bytes since it was asked last."""
        assert self.process.stdin is not None
        print(what, file=self.process.stdin, flush=True)
        requests, sent = json.loads(self._line())
        return requests, sent


def sync(server: Server, store: str, run: str) -> Cost:
    """One run of the step, as a process. Exits if it fails."""
    section = {"source": "trees", "kind": server.kind, "service": {"url": server.url, "project": 3}}
    command = [sys.executable, "-m", "tasks.ingest_labels", "--store", store, "--output", f"runs/{run}"]
    variables = os.environ | {"VISIONLOOP_LABELS_TOKEN": server.token}
    with tempfile.TemporaryFile("w+") as log:
        began = time.perf_counter()
        step = subprocess.Popen([*command, "--config", json.dumps(section)], env=variables, stderr=log)
        _, status, usage = os.wait4(step.pid, 0)
        took_s = time.perf_counter() - began
        log.seek(0)
        if os.waitstatus_to_exitcode(status) not in (0, 99):
            sys.exit(f"{server.kind}: {log.read()[-3000:]}")
    requests, sent = server.say("count")
    card = Path(store.removeprefix("file://")) / "runs" / run / "card.json"
    found = json.loads(card.read_text())["annotations"] if card.exists() else 0
    return Cost(took_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, requests, sent / 1e6, found)


def measured(kind: str, images: int) -> dict[str, Cost]:
    server = Server(kind, images)
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = {name: sync(server, f"file://{folder}", name) for name in ("all", "nothing")}
            server.say("change")
            return found | {"changed": sync(server, f"file://{folder}", "changed")}
    finally:
        server.process.kill()
        server.process.wait(30)


def is_kept(kind: str) -> bool:
    """Prints what was measured."""
    half, found = measured(kind, IMAGES // 2)["all"], measured(kind, IMAGES)
    print(f"\n{kind:<14}{'s':>8}{'busy s':>8}{'boxes':>10}{'boxes/s':>9}{'MB peak':>9}{'requests':>10}{'MB sent':>9}")
    for name, cost in {"half of it": half, **found}.items():
        speed, peak, asked, sent = cost.found / cost.took_s, cost.peak_mb, cost.requests, cost.sent_mb
        print(f"{name:<14}{cost.took_s:8.1f}{cost.busy_s:8.1f}{cost.found:10,}{speed:9,.0f}{peak:9.0f}{asked:10,}{sent:9.1f}")
    every, nothing, changed = found["all"], found["nothing"], found["changed"]
    busy = max(changed.busy_s - nothing.busy_s, 0) / every.busy_s
    asked_share = (changed.requests - nothing.requests) / every.requests
    print(f"1% changed, beside an empty sync: {asked_share:.1%} of the requests, {busy:.1%} of the processor's time,", end=" ")
    print(f"{(changed.sent_mb - nothing.sent_mb) / every.sent_mb:.1%} of the bytes")
    print(f"from half to all: {every.peak_mb - half.peak_mb:.0f} MB more for {every.found - half.found:,} boxes")
    is_whole = every.found == IMAGES * BOXES and changed.found == IMAGES * BOXES * CHANGED
    return is_whole and asked_share < MOST_ASKED and busy < MOST_BUSY and every.peak_mb < MOST_MB


def main() -> None:
    """The tables; exit 1 if a bound is missed."""
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    sys.exit(not all([is_kept(kind) for kind in SERVICES]))


if __name__ == "__main__":
    main()
