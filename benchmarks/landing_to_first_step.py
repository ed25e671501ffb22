"""Claim: a delivery's first step starts within 10 s of its landing, and watching costs at most 5 s of that beyond the poll.

How: a real embedded stack in a temporary home. A delivery lands (its annotations.json is written); the clock stops when the
process of ingest_labels exists, and again at its first log line. The peer, in the same run, turn by turn: the same DAG
started over Airflow's REST API at that moment, which is what Airflow itself needs when nobody has to notice anything.
The floor of watching is half the poll interval (2 s here, `poll_every_s` in the source's definition).

    .venv/cli/bin/python -m benchmarks.landing_to_first_step
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.end_to_end import shapes
from tests.end_to_end.loop import Loop

SAMPLES = 5
POLL_S, LOOK_S = 2.0, 0.05  # the watcher's (shapes.SOURCE), and this script's
BOUND_S = 10.0
WATCHING_BOUND_S = POLL_S + 5.0
WITHIN_S = 120
LABELS = "labels__shapes"


def first(look: Callable[[], float | None]) -> float:
    """The first answer that is not None."""
    deadline = time.time() + WITHIN_S
    while (answer := look()) is None:
        if time.time() > deadline:
            sys.exit(f"nothing happened within {WITHIN_S} s")
        time.sleep(LOOK_S)
    return answer


def watch(home: Path, since: float) -> tuple[float, float]:
    """Seconds until the process of ingest_labels exists, and until it has written its first line."""
    jobs = home / "steps"

    def born() -> float | None:
        for pid in jobs.glob(f"{LABELS}.ingest_labels.*/pid"):  # its shell writes this first
            if (written := pid.stat().st_mtime) > since:
                return written - since
        return None

    def spoken() -> float | None:
        for log in jobs.glob(f"{LABELS}.ingest_labels.*/log"):
            if log.stat().st_size:
                return time.time() - since
        return None

    return first(born), first(spoken)


def quiet(loop: Loop) -> None:
    """Wait until the DAG has nothing left to do."""
    loop.until(lambda: all(run["state"] in ("success", "failed") for run in loop.runs(LABELS)), "the run to end")


def samples(loop: Loop) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Landed and triggered, turn by turn."""
    landed, triggered = [], []
    for number in range(SAMPLES + 1):  # the first warms every component up and is not counted
        shapes.deliver(loop.store, f"day-{number}", first_seed=100 * number, images=4)
        landed.append(watch(loop.home.path, time.time()))
        quiet(loop)
        since = time.time()
        loop.api.trigger(LABELS)
        triggered.append(watch(loop.home.path, since))
        quiet(loop)
    return landed[1:], triggered[1:]


def main() -> None:
    """The table; exit 1 if a bound is missed."""
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(Path(folder), epochs=1, VISIONLOOP_RUNTIME="process")
        try:
            loop.up()
            # only the labels DAG is measured: a training beside it would be measured too
            loop.api.client.patch("/dags/dataset__shapes", json={"is_paused": True}).raise_for_status()
            landed, triggered = samples(loop)
        finally:
            loop.close()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {SAMPLES} samples; seconds: median (min to max)")
    print(f"{'':<30}{'process exists':>24}{'first log line':>24}")
    middle = {}
    for what, found in (("a delivery lands", landed), ("triggered over REST (peer)", triggered)):
        cells = []
        for column in (0, 1):
            values = [one[column] for one in found]
            cells.append(f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})")
        middle[what] = statistics.median(one[0] for one in found)
        print(f"{what:<30}{cells[0]:>24}{cells[1]:>24}")
    landing_s, trigger_s = middle.values()
    print(f"landing to process: {landing_s:.1f} s (bound {BOUND_S:.0f} s)")
    print(f"of that for watching: {landing_s - trigger_s:.1f} s (bound {WATCHING_BOUND_S:.0f} s, poll every {POLL_S:.0f} s)")
    sys.exit(landing_s > BOUND_S or landing_s - trigger_s > WATCHING_BOUND_S)


if __name__ == "__main__":
    main()
