"""Addresses that hold secrets, and names that would be paths."""

from __future__ import annotations

import pytest

from include.labelling.addresses import as_path, shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pass@host:8443/a/b?key=1#part", "https://host:8443/a/b"),
        ("https://host", "https://host"),
        ("http://[bad", "an address that cannot be read"),
    ],
    ids=["all of it", "a host", "none"],
)
def test_address_is_shown_without_secrets(url: str, expected: str) -> None:
    assert shown(url) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plots/1.jpg", "plots/1.jpg"),
        ("../../etc/passwd", "etc/passwd"),
        ("/abs//1.jpg", "abs/1.jpg"),
        ("C:\\x\\..\\1.jpg", "C:/x/1.jpg"),
        ("https://host/1.jpg", "https:/host/1.jpg"),
        ("..", "unnamed"),
        (7, "7"),
    ],
    ids=["a path", "out of its folder", "absolute", "of Windows", "an address", "nothing", "a number"],
)
def test_name_becomes_a_path_that_leads_nowhere_else(name: object, expected: str) -> None:
    assert as_path(name) == expected
