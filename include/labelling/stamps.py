"""What tells one state of an item from another: times of services, each in its own spelling, and digests of what they say."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from include.labelling.drawings import to_json

EPOCH = datetime.fromtimestamp(0, UTC)
SECONDS_MAX = 1e11  # the year 5138 in seconds, 1973 in milliseconds


def utc(said: Any) -> datetime | None:
    """ISO 8601 in any spelling, or seconds or milliseconds since 1970; without a zone it is UTC. None where it is no time."""
    try:
        if isinstance(said, (int, float)) and not isinstance(said, bool):
            return datetime.fromtimestamp(said / 1000 if said > SECONDS_MAX else said, UTC)
        found = datetime.fromisoformat(str(said).strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def utc_text(said: Any) -> str | None:
    """As annotations keep it; None where it is no time."""
    found = utc(said)
    return found.isoformat() if found else None


def latest(*said: Any) -> datetime:
    """The last of times, of which some may be missing; 1970 where all are."""
    return max((found for found in map(utc, said) if found), default=EPOCH)


def digest(*said: Any) -> str:
    """Differs where anything said differs, whatever the order of keys."""
    return hashlib.sha256(to_json(said).encode()).hexdigest()[:20]
