"""A listing in numbered pages, read so that nothing is missed while it moves."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Hashable
from typing import Any

from include.errors import Unavailable

log = logging.getLogger("labelling")
PASSES = 4

Row = dict[str, Any]
Page = tuple[list[Row], int]  # rows, and how many there are in all


async def complete(
    pages: Callable[[], AsyncIterator[Page]], identity: Callable[[Row], Hashable], revision: Callable[[Row], Hashable]
) -> AsyncIterator[Row]:
    """Every row of the listing that `pages` starts, once for each of its revisions.

    Pages are cut by number: where a row goes away, those behind it move up, into a page that was read already. A pass that met
    fewer rows than the service counts, or during which the count fell, is therefore made again; so is one of repeated or
    shuffled pages. Order the listing by id: what merely changes then stays where it is. Raises Unavailable if it never settles.
    """
    seen: set[tuple[Hashable, Hashable]] = set()
    for number in range(1, PASSES + 1):
        met: set[Hashable] = set()
        counts: list[int] = []
        async for rows, count in pages():
            counts.append(count)
            for row in rows:
                met.add(identity(row))
                if (key := (identity(row), revision(row))) not in seen:
                    seen.add(key)
                    yield row
        if not counts or (len(met) >= counts[-1] and counts == sorted(counts)):
            return
        log.info("pass %d over the listing met %d of %d: it moved, so it is read again", number, len(met), counts[-1])
    raise Unavailable(f"the service's list moved during each of {PASSES} passes over it; is it changed by a script right now?")
