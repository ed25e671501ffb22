"""Superb AI: two spellings, reviews that come late, signed addresses that run out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from include.labelling.superb_ai.connector import Connector, Settings
from include.labelling.superb_ai.objects import _parts
from include.labelling.web import Web
from tests.hosted_servers.serving import Files, serving
from tests.hosted_servers.superb_ai import SuperbAI
from tests.include.labelling.hosted_cases import HOSTED
from tests.labelled_coco import case, coco_of

hosted = next(one for one in HOSTED if one.kind == "superb_ai")


@pytest.fixture
def service() -> Iterator[SuperbAI]:
    with serving(Files()) as storage:
        made = hosted.make(storage)
        assert isinstance(made, SuperbAI)
        with serving(made) as running:
            yield running


def ask(service: SuperbAI, what: Any, **more: Any) -> Any:
    async def asked() -> Any:
        settings = Settings.model_validate(hosted.settings(service.url) | more)
        async with Web(settings.url, service.token, patience_s=5) as web:
            return await what(Connector(settings, web))

    return asyncio.run(asked())


async def items(connector: Connector, since: str | None = None) -> list[Any]:
    return [item async for item in connector.items(datetime.fromisoformat(since) if since else None)]


async def first(connector: Connector) -> Any:
    return await connector.fetch((await items(connector))[0])


def test_new_spelling_becomes_the_coco_worked_out_by_hand(service: SuperbAI) -> None:
    service.infos["l-1"] = case("superb_ai/v06")

    assert coco_of(ask(service, first)) == case("superb_ai/v06.coco")


def test_result_within_the_label_is_read_too(service: SuperbAI) -> None:
    service.infos.clear()
    service.labels[0]["result"] = case("superb_ai/old")

    assert coco_of(ask(service, first)) == case("superb_ai/old.coco")


def test_late_review_is_seen_within_the_window_and_by_the_sweep(service: SuperbAI) -> None:
    since = "2026-11-20T10:30:00+00:00"

    assert [item.id for item in ask(service, lambda connector: items(connector, since))] == ["l-2"]
    assert ask(service, lambda connector: items(connector, since), review_window_days=5) == []
    assert "l-2" in [item.id for item in ask(service, items, review_window_days=5)]


def test_approval_is_another_revision(service: SuperbAI) -> None:
    before = ask(service, items)[0]
    service.labels[0] |= {"lastReviewAction": "APPROVE", "lastReviewedAt": "2026-11-21T00:00:00.000Z"}
    after = ask(service, items)[0]

    assert before.revision != after.revision
    assert after.updated_at == datetime.fromisoformat("2026-11-21T00:00:00+00:00")


def test_address_that_ran_out_is_asked_for_again(service: SuperbAI) -> None:
    async def later(connector: Connector) -> Any:
        item = (await items(connector))[0]
        item.payload["infoReadPresignedUrl"] = item.payload["infoReadPresignedUrl"].replace("one-hour", "no-time")
        return await connector.fetch(item)

    assert coco_of(ask(service, later)) == case("superb_ai/old.coco")


def test_filter_is_in_utc_seconds_with_the_window(service: SuperbAI) -> None:
    ask(service, lambda connector: items(connector, "2026-11-20T12:00:00.500+02:00"), review_window_days=1)

    assert service.asked[0].json["variables"]["filter"] == "last_labeled_at_gte=2026-11-19 10:00:00"


@pytest.mark.parametrize(
    "given",
    [[{"x": 1}, {"x": 2}], [[{"x": 1}, {"x": 2}]], [[[{"x": 1}, {"x": 2}]]]],
    ids=["flat", "rings", "parts"],
)
def test_polygon_of_any_depth_is_parts_of_rings(given: Any) -> None:
    assert _parts(given, 3) == [[[{"x": 1}, {"x": 2}]]]


def test_signed_addresses_are_not_kept(service: SuperbAI) -> None:
    assert b"signed-for" not in ask(service, first).original


def test_nobody_calls_in_its_name() -> None:
    assert Connector.signed is False
    assert not Connector.is_genuine(b"", {}, b"")
