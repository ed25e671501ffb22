"""Sama: pages, the key that travels in addresses, rework, fixed tokens."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from include.labelling.items import Objection
from include.labelling.sama import connector as module
from include.labelling.sama.connector import Connector, Settings
from include.labelling.web import Web
from tests.hosted_servers.sama import Sama
from tests.hosted_servers.serving import serving
from tests.labelled_coco import case


@pytest.fixture
def sama() -> Iterator[Sama]:
    with serving(Sama([case("sama/vector")])) as service:
        yield service


def ask(service: Sama, what: Any, **more: Any) -> Any:
    async def asked() -> Any:
        settings = Settings(url=f"{service.url}/v2", **{"project": 117, **more})
        async with Web(settings.url, service.token, patience_s=5) as web:
            return await what(Connector(settings, web))

    return asyncio.run(asked())


async def items(connector: Connector) -> list[Any]:
    return [item async for item in connector.items(datetime.fromisoformat("2026-11-20T12:00:00+02:00"))]


@pytest.mark.parametrize("count", [0, 3, 4, 7], ids=["none", "less than a page", "two whole pages", "a rest"])
def test_pages_are_read_to_their_end(sama: Sama, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(module, "DELIVERED_PAGE", 2)
    sama.tasks = [case("sama/vector") | {"id": f"task-{number}"} for number in range(count)]

    assert [item.id for item in ask(sama, items)] == [f"task-{number}" for number in range(count)]


def test_deliveries_are_asked_for_by_time_in_utc(sama: Sama) -> None:
    ask(sama, items)

    delivered = [request for request in sama.asked if request.path.endswith("delivered.json")]
    assert {request.query["from"] for request in delivered} == {"2026-11-20T10:00:00Z"}
    assert {request.method for request in sama.asked} == {"GET"}, "Sama's own cursor moves on a POST"


def test_acknowledging_leaves_the_revision_and_rework_moves_it(sama: Sama) -> None:
    (before,) = ask(sama, items)
    sama.tasks[0]["state"] = "acknowledged"
    (acknowledged,) = ask(sama, items)
    sama.tasks[0]["answers"]["objects"]["shapes"].pop()
    (reworked,) = ask(sama, items)

    assert acknowledged.revision == before.revision
    assert reworked.revision != before.revision


def test_tasks_approved_here_can_count_as_finished(sama: Sama) -> None:
    sama.tasks[0]["state"] = "approved"

    assert [item.status for item in ask(sama, items)] == ["waiting"]
    assert [item.status for item in ask(sama, items, states=("approved", "delivered"))] == ["finished"]


@pytest.mark.parametrize(
    ("tags", "class_tag", "expected"),
    [
        ({"class": "Tree", "occluded": "no"}, None, "Tree"),
        ({"Label": "Tree", "occluded": "no"}, None, "Tree"),
        ({"kind": "Tree"}, None, "Tree"),
        ({"kind": "Tree", "class": "Plant"}, "kind", "Tree"),
        ({"kind": "Tree", "state": "dead"}, None, None),
        ({}, None, None),
    ],
    ids=["class", "label", "the only one", "as the settings say", "which of them?", "none"],
)
def test_class_is_one_of_the_tags(sama: Sama, tags: dict[str, str], class_tag: str | None, expected: str | None) -> None:
    async def first(connector: Connector) -> Any:
        (item,) = await items(connector)
        return (await connector.fetch(item)).pictures[0].shapes[0]

    sama.tasks[0]["answers"]["objects"]["shapes"] = [
        {"type": "point", "index": 1, "key_locations": [{"tags": tags, "points": [[1, 2]]}]}
    ]

    assert ask(sama, first, class_tag=class_tag).class_name == expected


def test_objections_reject_the_task_with_rule_and_picture(sama: Sama) -> None:
    said = [Objection("logo.png", "objects/1", "box within image", "x = 700", "at most 640", "https://reports/1")]

    ask(sama, lambda connector: connector.give_back("t9", said))

    (reason,) = sama.rejected["t9"]
    assert all(word in reason for word in ("logo.png", "box within image", "x = 700", "at most 640", "https://reports/1"))


def test_annotators_cannot_be_named() -> None:
    with pytest.raises(ValidationError, match="does not say who drew"):
        Settings(project=117, annotators=("ann@x",))


BASIC = "Basic " + base64.b64encode(b"sama:secret").decode()


@pytest.mark.parametrize(
    ("secret", "headers", "is_genuine"),
    [
        (b"fixed", {"x-auth-token": "fixed"}, True),
        (b"sama:secret", {"authorization": BASIC}, True),
        (b"fixed", {"x-auth-token": "fixed "}, False),
        (b"fixed", {"authorization": "fixed"}, False),
        (b"sama:other", {"authorization": BASIC}, False),
        (b"", {"x-auth-token": ""}, False),
        (b"fixed", {"x-wsm-date": "now", "authorization": "HMAC-SHA-256 abc"}, False),
        (b"fixed", {}, False),
    ],
    ids=[
        "token",
        "basic",
        "another token",
        "token in a wrong place",
        "another password",
        "no secret",
        "signed: unverified",
        "nothing",
    ],
)
def test_only_fixed_tokens_are_genuine(secret: bytes, headers: dict[str, str], is_genuine: bool) -> None:
    assert Connector.is_genuine(secret, headers, b"{}") is is_genuine
