"""Claim: the team's stack, its images present, is healthy within three minutes, and holds less than 4 GB of memory while idle.

How: `visionloop team up` on a real engine, with new volumes and the public images replaced as in tests/compose; seconds from that
command until all is healthy, and, with labels that land right then, until the first step has finished. Memory is what the engine
counts for each container, without the page cache, added up a minute after those labels became a champion. Grafana is not in it:
nothing can stand in for it.

    .venv/cli/bin/python -m benchmarks.team_stack
"""

from __future__ import annotations

import os
import sys
import time

from cli.team import app
from tests.end_to_end import shapes
from tests.end_to_end.team import LOCAL_BASE, Team, build_servers

REST_S = 60
HEALTHY_BOUND_S, MEMORY_BOUND_MB = 180, 4000


def measure(team: Team) -> bool:
    """Whether the claim holds."""
    started = time.monotonic()
    done = team.visionloop("up")
    healthy_s = time.monotonic() - started
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; all healthy after {healthy_s:.0f} s")
    team.connect()
    landed = time.monotonic()
    shapes.deliver(team.store, "day-1", first_seed=0)
    team.until(lambda: (task := team.task("labels__shapes", "ingest_labels")) and task.state == "success", "the first step")
    ended = time.monotonic()
    print(f"first step finished {ended - landed:.1f} s after its labels landed, {ended - started:.0f} s after the start")
    team.decided(1, within_s=600)
    time.sleep(REST_S)
    used = team.memory_mb()
    print(f"idle: {sum(used.values()):.0f} MB: " + ", ".join(f"{name} {mb:.0f}" for name, mb in sorted(used.items())))
    return healthy_s < HEALTHY_BOUND_S and sum(used.values()) < MEMORY_BOUND_MB


def main() -> None:
    """The numbers; exit 1 if a bound is missed."""
    build_servers()
    os.environ.setdefault("BASE_IMAGE", LOCAL_BASE)
    app.build_missing()
    team = Team(epochs=1)
    try:
        holds = measure(team)
    finally:
        team.close()
    sys.exit(not holds)


if __name__ == "__main__":
    main()
