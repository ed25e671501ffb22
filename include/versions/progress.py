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
    return told(in_some_threads(work, items), total, log, what)


def in_some_threads(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    waiting = iter(items)
    while some := list(islice(waiting, AT_ONCE)):
        yield from in_threads(work, some)


def told(results: Iterable[T], total: int, log: logging.Logger, what: str) -> Iterator[T]:
    """The same results; the log says how many there were, how fast they come, and how long the rest will take."""
    began = said = time.monotonic()
    for done, result in enumerate(results, 1):
        yield result
        now = time.monotonic()
        if now - said > LOG_EVERY_S:
            said, per_s = now, done / (now - began)
            log.info("%s: %d of %d  %.0f/s  eta %.0f min", what, done, total, per_s, (total - done) / per_s / 60)
