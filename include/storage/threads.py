"""Many small pieces of work at once, for work that waits on a network or a disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def as_they_end(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Results in the order in which they end; items are drawn only as threads come free, so a million cost no memory.

    The first error is raised here, after the pieces that were under way; the rest is not begun.
    """
    waiting, drawing, stop = iter(items), threading.Lock(), threading.Event()
    ended: SimpleQueue[tuple[bool, R | BaseException | None]] = SimpleQueue()

    def draw() -> Iterator[T]:
        while not stop.is_set():
            with drawing:
                try:
                    item = next(waiting)
                except StopIteration:
                    return
            yield item

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in draw():
                ended.put((True, work(item)))
        except BaseException as caught:  # carried over to the caller
            error = caught
            stop.set()
        ended.put((False, error))

    pool = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for thread in pool:
        thread.start()
    try:
        yield from _until_all_left(ended, threads)
    finally:
        stop.set()
        for thread in pool:
            thread.join()


def _until_all_left(ended: SimpleQueue[tuple[bool, R | BaseException | None]], threads: int) -> Iterator[R]:
    failed: BaseException | None = None
    while threads:
        is_result, value = ended.get()
        if is_result:
            yield value  # type: ignore[misc]  # a result, by the flag
        else:
            threads -= 1
            failed = failed or value  # type: ignore[assignment]
    if failed is not None:
        raise failed
