from __future__ import annotations

from typing import Any

import pytest

from include.definitions import SourceDefinition

SAMA, LABELBOX = {"url": "https://x.example"}, {"url": "https://x.example", "project": "p"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"kind": "coco", "prefix": "inbox/trees"}, 60),
        ({"kind": "sama", "service": SAMA | {"project": 117}}, 60),
        ({"kind": "labelbox", "service": LABELBOX}, 300),
        ({"kind": "labelbox", "service": LABELBOX, "poll_every_s": 5}, 5),
    ],
    ids=["files", "service", "one that makes an export job for each look", "as the team says"],
)
def test_how_often_a_source_is_looked_at_follows_what_a_look_costs(said: dict[str, Any], expected: float) -> None:
    assert SourceDefinition.model_validate({"name": "trees", "owner": "ada", **said}).poll_every_s == expected
