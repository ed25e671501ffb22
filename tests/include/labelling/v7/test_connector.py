"""V7: sorted listings, releases that say who drew, polygons that carry a box."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from include.errors import Unavailable
from include.labelling.v7.connector import Connector, Settings
from include.labelling.web import Web
from tests.hosted_servers.serving import Files, serving
from tests.hosted_servers.v7 import V7
from tests.include.labelling.hosted_cases import HOSTED
from tests.labelled_coco import case, coco_of

GOLDEN = "018afa47-77aa-13d3-c39e-ed5fa1687f8e"
PROJECT = {"team": "e2e-testing", "dataset": "test-1692", "dataset_id": 1692}
hosted = next(one for one in HOSTED if one.kind == "v7")


@pytest.fixture
def v7() -> Iterator[V7]:
    with serving(Files()) as storage:
        made = hosted.make(storage)
        assert isinstance(made, V7)
        with serving(made) as service:
            yield service


def ask(service: V7, what: Any, **more: Any) -> Any:
    async def asked() -> Any:
        settings = Settings(url=f"{service.url}/api", **{**PROJECT, "export_every_s": 0.01, "export_limit_s": 5, **more})
        async with Web(settings.url, service.token, patience_s=5) as web:
            return await what(Connector(settings, web))

    return asyncio.run(asked())


async def items(connector: Connector, since: str | None = None) -> list[Any]:
    return [item async for item in connector.items(datetime.fromisoformat(since) if since else None)]


async def golden(connector: Connector) -> Any:
    item = next(item for item in await items(connector) if item.id == GOLDEN)
    return await connector.fetch(item)


def test_sorted_listing_is_left_at_since(v7: V7) -> None:
    ask(v7, lambda connector: items(connector, "2026-11-20T10:30:00+00:00"))

    assert len(v7.asked) == 1, "its first page of two ends before `since`"


def test_listing_in_another_order_is_read_to_its_end(v7: V7) -> None:
    v7.is_sorted = False
    v7.items.sort(key=lambda item: item["updated_at"])  # oldest first: the newest is on the last page

    found = ask(v7, lambda connector: items(connector, "2026-11-20T10:30:00+00:00"))

    assert [item.id for item in found] == ["d"]


def test_release_is_read_with_those_who_drew(v7: V7) -> None:
    labelled = ask(v7, golden, read="release", annotators=["ann@x"])

    expected = case("v7/polygon_with_box.coco")
    assert {shape.annotator for shape in labelled.pictures[0].shapes} == {"ann@x"}
    assert coco_of(labelled)["annotations"][:2] == expected["annotations"][:2]
    assert sum(request.method == "POST" for request in v7.asked) == 1


def test_release_is_made_once_for_all_items(v7: V7) -> None:
    async def all_of_them(connector: Connector) -> int:
        finished = [item for item in await items(connector) if item.status == "finished"]
        return len([await connector.fetch(item) for item in finished])

    assert ask(v7, all_of_them, read="release") == 2
    assert sum(request.method == "POST" for request in v7.asked) == 1


def test_release_that_never_ends_is_given_up(v7: V7) -> None:
    v7.polls = None

    with pytest.raises(Unavailable, match="is still 'pending' after"):
        ask(v7, golden, read="release", export_limit_s=0.2)


def test_labels_of_the_api_are_read_with_classes_by_id_and_data_apart(v7: V7) -> None:
    """The other spelling: `annotation_class_id`, and what was drawn below `data`."""
    given = v7.documents[GOLDEN]["annotations"][1]
    v7.documents[GOLDEN]["annotations"] = [
        {
            "id": given["id"],
            "annotation_class_id": 6,
            "data": {"polygon": given["polygon"], "bounding_box": given["bounding_box"]},
        }
    ]

    (shape,) = ask(v7, golden).pictures[0].shapes

    assert (shape.class_name, shape.kind) == ("test_poly", "polygon")
    assert shape.box_px == pytest.approx((137.03, 134.77, 72.97, 132.01), abs=0.01)


def test_each_slot_is_a_picture(v7: V7) -> None:
    document = v7.documents[GOLDEN]
    slot = document["item"]["slots"][0]
    item = next(item for item in v7.items if item["id"] == GOLDEN)
    item["slots"] = [slot | {"slot_name": "left", "file_name": "l.png"}, slot | {"slot_name": "right", "file_name": "r.png"}]
    document["annotations"] = [one | {"slot_names": ["right"]} for one in document["annotations"]]

    labelled = ask(v7, golden)

    assert [(one.name, len(one.shapes)) for one in labelled.pictures] == [
        ("test2.png/left/l.png", 0),
        ("test2.png/right/r.png", 4),
    ]


@pytest.mark.parametrize(
    "rule",
    [{"read": "release", "statuses": ["review"]}, {"annotators": ["ann@x"]}],
    ids=["release of review", "annotators of items"],
)
def test_rule_that_v7_cannot_answer_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="expected"):
        Settings(**{**PROJECT, **rule})


def test_fixed_header_is_genuine_and_no_other() -> None:
    assert Connector.is_genuine(b"Bearer of-ours", {"authorization": "Bearer of-ours"}, b"{}")
    assert not Connector.is_genuine(b"Bearer of-ours", {"authorization": "Bearer of-theirs"}, b"{}")
    assert not Connector.is_genuine(b"Bearer of-ours", {}, b"{}")
