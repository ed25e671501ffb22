"""When a supervised service dies, what it started dies with it: a listener to supervisord's events.

A killed scheduler leaves workers behind that would go on with tasks which the next scheduler starts again; a killed server
leaves children that hold its port. Steps are not touched: each leads a session of its own, and is found again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress

import psutil
from supervisor.childutils import listener


def orphans(supervisor: int) -> Iterator[psutil.Process]:
    """What runs in the supervisor's session without descending from it."""
    session = os.getsid(supervisor)
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            family = {process.pid, *(parent.pid for parent in process.parents())}
            if os.getsid(process.pid) == session and supervisor not in family:
                yield process


def main() -> None:
    while True:
        listener.wait(sys.stdin, sys.stdout)
        for process in list(orphans(os.getppid())):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        listener.ok(sys.stdout)


if __name__ == "__main__":
    main()
