"""Long work in threads: few items at a time are in memory, and a line at most every 30 s says how far it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from include.storage.content import in_threads

T = TypeVar("T")
R = TypeVar("R")
LOG_EVERY_S = 30
AT_ONCE = 1024


def steadily(work: Callable[[T], R], items: Iterable[T], total: int, log: logging.Logger, what: str) -> Iterator[R]:
    """Results in the order of `items`."""
    waiting, done, said = iter(items), 0, time.monotonic()
    while some := list(islice(waiting, AT_ONCE)):
        for result in in_threads(work, some):
            yield result
            done += 1
            if time.monotonic() - said > LOG_EVERY_S:
                said = time.monotonic()
                log.info("%s: %d of %d", what, done, total)
