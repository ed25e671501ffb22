"""Claim: the team's stack, its images present, is healthy within three minutes, and holds less than 4 GB of memory while idle.

How: `visionloop team up` on a real engine, with new volumes and the public images replaced as in tests/compose; seconds until all
is healthy and the DAGs are there, and from labels that land to the first finished step. Memory is what the engine counts for each
container, without the page cache, added up after a minute at rest. Grafana is not in it: nothing can stand in for it.

    .venv/cli/bin/python -m benchmarks.team_stack
"""

from __future__ import annotations

import time

from tests.end_to_end import shapes
from tests.end_to_end.team import Team, build_servers, docker

REST_S = 60


def main() -> None:
    build_servers()
    team = Team(epochs=1)
    try:
        team.visionloop("up")  # builds what is missing
        team.visionloop("down")
        mine = f"label=com.docker.compose.project={team.project}"
        docker("volume", "rm", *docker("volume", "ls", "--quiet", "--filter", mine).stdout.split())
        started = time.monotonic()
        team.up()
        print(f"all healthy after {time.monotonic() - started:.0f} s, DAGs there")
        time.sleep(REST_S)
        used = team.memory_mb()
        print(f"idle: {sum(used.values()):.0f} MB: " + ", ".join(f"{name} {mb:.0f}" for name, mb in sorted(used.items())))
        delivered = time.monotonic()
        shapes.deliver(team.store, "day-1", first_seed=0)
        team.until(lambda: (task := team.task("labels__shapes", "ingest_labels")) and task.state == "success", "the first step")
        print(f"first step finished {time.monotonic() - delivered:.1f} s after its labels landed")
    finally:
        team.close()


if __name__ == "__main__":
    main()
