"""Values of JSON that nobody vouches for, as what they are meant to be: an id, a number, text, a path, attributes."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import Any

NOT_A_NUMBER = float("nan")
DIGITS_MAX = 4300  # of an int: Python refuses to read a longer one


def parsed(text: str | bytes) -> Any:
    """JSON as Python's own reader takes it, NaN included; a number too long for an int is infinite. Raises ValueError."""
    return json.loads(text, parse_int=_whole)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= DIGITS_MAX else float(digits)


_is_ordinary = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*").fullmatch  # of nearly all paths
_text_to_json = json.encoder.encode_basestring_ascii  # json.dumps takes five times as long


def as_id(value: object) -> str | None:
    """An id as text (`1`, `1.0` and `"1"` are the same id); None for what cannot be one."""
    if value is None:
        return None
    if type(value) is int:
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    return as_text(value)


def as_number(value: object) -> float:
    """The number; NaN for anything else: a string, a boolean, infinity."""
    if type(value) is not int and type(value) is not float:
        return NOT_A_NUMBER
    try:
        number = float(value)
    except OverflowError:
        return NOT_A_NUMBER
    return number if math.isfinite(number) else NOT_A_NUMBER


def as_text(value: object) -> str | None:
    """Text that any file can hold: half of a surrogate pair, which JSON can smuggle in, becomes `?`."""
    if not isinstance(value, str):
        return None
    return (value if value.isascii() else value.encode("utf-8", "replace").decode()).strip() or None


def path_in_delivery(file_name: object) -> tuple[str | None, str | None]:
    """(path below the delivery, None), or (None, why there can be no such file). `./` and `//` are harmless."""
    if not isinstance(file_name, str) or not file_name.strip():
        return None, "no file_name"
    if _is_ordinary(file_name):
        return file_name, None
    if "\\" in file_name:
        return None, "file_name has a backslash; expected / between folders"
    if file_name.startswith("/"):
        return None, "file_name is an absolute path; expected one below the delivery"
    if not file_name.isprintable() and any(unicodedata.category(one) in ("Cc", "Cs") for one in file_name):
        return None, "file_name has control characters"
    parts = [part for part in file_name.split("/") if part not in ("", ".")]
    if ".." in parts:
        return None, "file_name leaves the delivery"
    return ("/".join(parts), None) if parts else (None, "no file_name")


def attributes(stated: object, further: dict[str, Any] | None = None) -> str | None:
    """Plain values by name, as JSON; None for none. Values that are objects or lists are left out."""
    if not stated and not further:
        return None
    found = {**(further or {}), **(stated if isinstance(stated, dict) else {})}
    plain = {name: _plain(value) for key, value in found.items() if (name := as_text(key)) is not None}
    kept = [f"{_text_to_json(name)}: {_value_to_json(plain[name])}" for name in sorted(plain) if plain[name] is not None]
    return f"{{{', '.join(kept)}}}" if kept else None


def _value_to_json(value: str | int | float | bool | None) -> str:
    return _text_to_json(value) if isinstance(value, str) else json.dumps(value)


def _plain(value: object) -> str | int | float | bool | None:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int) else as_text(value)
