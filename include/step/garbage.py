"""How often Python looks for garbage cycles in a step: seldom. Its own default suits programs that run for weeks."""

from __future__ import annotations

import gc

THRESHOLDS = 50_000, 20, 50  # objects, looks at the young, looks at the middle-aged; Python's: 700, 10, 10


def look_seldom() -> None:
    """What is imported by now is never looked at again. A step makes hundred thousands of small objects, and ends."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
