"""Addresses: whose they are on the web, what of them may be told, and names that may become paths."""

from __future__ import annotations

from urllib.parse import urlsplit


def shown(url: str) -> str:
    """An address for people: no query and no password, a key may be in them."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return "an address that cannot be read"


def origin(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port, by which headers are kept apart; None where it is no address."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None


def as_path(name: object) -> str:
    """A name that somebody gave a picture, as a relative path that leads nowhere else."""
    parts = [part for part in str(name).replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "unnamed"
