"""What a web server process remembers of webhook calls, however many there are: counts, and the genuine ones of late."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from hashlib import sha256
from uuid import uuid4

from airflow.observability import stats

from include.labelling.calls import NO_SOURCE, Outcome, forget_old_calls, write_calls
from include.storage import Store

WRITE_EVERY_S = 10.0
SAY_EVERY_S = 60.0
QUIET = ("accepted", "replayed")
log = logging.getLogger(__name__)


class CallCounts:
    """Counts, for Airflow's metrics, the log (at most a line a minute for each kind of trouble) and `visionloop labels status`.

    A thread of its own writes them to the store, at most every WRITE_EVERY_S: the last ones are lost with the process.
    """

    def __init__(self, store: Callable[[], Store]) -> None:
        self.store, self.process = store, uuid4().hex[:12]
        self.counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._said: dict[tuple[str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._written_at = float("-inf")

    def say_ready(self) -> None:
        """That this process takes calls, and has counted none yet."""
        stats.gauge("visionloop.webhooks.ready", 1)
        self.write()

    def note(self, source: str | None, outcome: Outcome, why: str = "") -> None:
        """`source`: None unless it exists, so a stranger cannot make up names. `why`: for the log, in our own words."""
        name = source or NO_SOURCE
        stats.incr(f"visionloop.webhooks.{outcome}", tags={"source": name})
        with self._lock:
            self.counts[name][outcome] += 1
            if self._timer is None:
                wait_s = max(0.0, self._written_at + WRITE_EVERY_S - time.monotonic())
                self._timer = threading.Timer(wait_s, self.write)
                self._timer.daemon = True
                self._timer.start()
        if outcome not in QUIET:
            self._say(name, outcome, why)

    def _say(self, name: str, outcome: Outcome, why: str) -> None:
        said_at, before = self._said.get((name, outcome), (float("-inf"), 0))
        now, count = time.monotonic(), self.counts[name][outcome]
        if now - said_at >= SAY_EVERY_S:
            self._said[name, outcome] = (now, count)
            log.warning("webhook for source %s: %s: %s (%d calls since this was said last)", name, outcome, why, count - before)

    def write(self) -> None:
        """To the store; what it does not take now, it gets with the next call."""
        with self._lock:
            self._timer, is_first = None, self._written_at == float("-inf")
            self._written_at = time.monotonic()
            counts = {source: dict(outcomes) for source, outcomes in self.counts.items()}
        try:
            write_calls(self.store(), self.process, counts)
            if is_first:
                forget_old_calls(self.store())
        except Exception as error:
            log.warning("the counts of webhook calls cannot be written: %s", error)


class Recent:
    """Genuine calls of the last `window_s`, the newest `size` of them."""

    def __init__(self, size: int, window_s: float) -> None:
        self.size, self.window_s = size, window_s
        self._at: OrderedDict[bytes, float] = OrderedDict()

    @staticmethod
    def key(source: str, body: bytes) -> bytes:
        """Of a call. A signature follows from the body; what else is in the headers, nobody signed."""
        return sha256(source.encode() + b"\0" + body).digest()

    def has(self, key: bytes) -> bool:
        return time.monotonic() - self._at.get(key, float("-inf")) < self.window_s

    def add(self, key: bytes) -> None:
        self._at.pop(key, None)
        self._at[key] = time.monotonic()
        while len(self._at) > self.size:
            self._at.popitem(last=False)
