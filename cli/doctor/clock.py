"""Whether this machine and a server agree on the time: signatures and logins carry it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cli.doctor.finding import Finding, fail, ok, warn

WARN_S, FAIL_S = 10.0, 60.0  # S3 refuses after 15 minutes, logins are refused sooner
REMEDY = "let both keep the time by NTP (`timedatectl set-ntp true`)"


def compare(server: str, headers: Mapping[str, str], now: datetime | None = None) -> list[Finding]:
    """By its Date header, which tells whole seconds; nothing where there is none."""
    try:
        theirs = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return []
    ahead_s = (theirs - (now or datetime.now(UTC))).total_seconds()
    found = f"{server} is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine"
    if abs(ahead_s) >= FAIL_S:
        return [fail("clock", found, REMEDY)]
    return [warn("clock", found, REMEDY)] if abs(ahead_s) >= WARN_S else [ok("clock", f"{server} agrees within {WARN_S:.0f} s")]
