"""Exports are made by the service while we wait: some never end, and nobody should wait for those for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from include.errors import Unavailable

T = TypeVar("T")


async def until_made(ask: Callable[[], Awaitable[tuple[str, T | None]]], *, what: str, limit_s: float, every_s: float) -> T:
    """What `ask` gives once it gives more than a state. Raises Unavailable after `limit_s`."""
    began = time.monotonic()
    while True:
        state, made = await ask()
        if made is not None:
            return made
        waited_s = time.monotonic() - began
        if waited_s + every_s > limit_s:
            raise Unavailable(
                f"{what} is still {state!r} after {waited_s:.0f} s; expected it to end within `export_limit_s` = {limit_s:g}. "
                "Look at it in the service: a large project may need longer, and some exports never end."
            )
        await asyncio.sleep(every_s)
