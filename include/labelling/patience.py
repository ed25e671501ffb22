"""When a service is asked again, and after how long: growing, random waits, at least what it asked for, to patience's end."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import tenacity

log = logging.getLogger("labelling")

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
# of httpx's errors, those that another try may better: a cut body is among them, an address that is none is not
PASSING = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError, httpx.DecodingError)


class AskAgain(Exception):
    """An answer that another try may better. `after_s`: as the service asked."""

    def __init__(self, said: str, after_s: float | None = None) -> None:
        super().__init__(said)
        self.after_s = after_s


def asking(where: str, patience_s: float) -> tenacity.AsyncRetrying:
    """Tries, one after the other. `where`: for the log, without secrets."""
    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type((AskAgain, *PASSING)),
        stop=tenacity.stop_before_delay(patience_s),
        wait=_wait,
        reraise=True,
        before_sleep=lambda state: _say(where, state),
    )


def retry_after_s(said: str) -> float | None:
    """Seconds, or a date; None where there is neither."""
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


_growing = tenacity.wait_random_exponential(multiplier=0.5, max=30)


def _wait(state: tenacity.RetryCallState) -> float:
    """Never nothing at all: some answer `Retry-After: 0` for as long as they are busy."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after_s if isinstance(error, AskAgain) else None
    return max(_growing(state), asked or 0.0)


def _say(where: str, state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    why = str(error) or type(error).__name__
    log.warning("%s: try %d: %s; again in %.1f s", where, state.attempt_number, why, state.upcoming_sleep)
