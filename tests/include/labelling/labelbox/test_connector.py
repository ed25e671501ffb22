"""Labelbox: exports by byte offset, times as it reads them, its signature."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from include.errors import Unavailable
from include.labelling.items import Labelled
from include.labelling.labelbox.connector import Connector, Settings
from include.labelling.web import Web
from tests.hosted_servers.labelbox import Labelbox
from tests.hosted_servers.serving import Files, serving
from tests.labelled_coco import case


@pytest.fixture
def labelbox() -> Iterator[Labelbox]:
    with serving(Files()) as storage, serving(Labelbox(storage, [case("labelbox/consensus")])) as service:
        yield service


def listed(service: Labelbox, since: datetime | None = None, **more: Any) -> list[Any]:
    async def asked() -> list[Any]:
        settings = Settings(url=service.url, project="clur-project", **{"export_every_s": 0.01, "export_limit_s": 5, **more})
        async with Web(service.url, service.token, patience_s=5) as web:
            return [item async for item in Connector(settings, web).items(since)]

    return asyncio.run(asked())


def fetched(service: Labelbox, **more: Any) -> list[Labelled]:
    async def asked() -> list[Labelled]:
        async with Web(service.url, service.token) as web:
            connector = Connector(Settings(url=service.url, project="clur-project", export_every_s=0.01, **more), web)
            return [await connector.fetch(item) async for item in connector.items(None)]

    return asyncio.run(asked())


def created(service: Labelbox) -> Any:
    return next(
        request.json["variables"]["input"] for request in service.asked if "exportDataRowsInProject" in request.json["query"]
    )


@pytest.mark.parametrize(
    "since",
    [datetime(2024, 4, 8, 16, 34, 1, 999999, UTC), datetime(2024, 4, 8, 18, 34, 1, tzinfo=timezone(timedelta(hours=2)))],
    ids=["UTC with a fraction", "two hours east"],
)
def test_time_is_sent_as_utc_whatever_its_zone(labelbox: Labelbox, since: datetime) -> None:
    items = listed(labelbox, since)

    (asked,) = created(labelbox)["filters"]["searchQuery"]["query"]
    assert asked["value"] == {"operator": "GREATER_THAN_OR_EQUAL", "timezone": "UTC", "value": "2024-04-08T16:34:01+0000"}
    assert [item.id for item in items] == ["clf9spzx"], "the second itself is included"


def test_export_is_waited_for(labelbox: Labelbox) -> None:
    labelbox.polls = 5

    assert len(listed(labelbox)) == 1


def test_export_that_never_ends_is_given_up_with_a_clear_line(labelbox: Labelbox) -> None:
    labelbox.polls = None
    began = time.monotonic()

    with pytest.raises(Unavailable, match=r"export task task-0 is still 'IN_PROGRESS' after .* `export_limit_s` = 0.2"):
        listed(labelbox, export_limit_s=0.2)

    assert time.monotonic() - began < 3


def test_export_of_nothing_is_nothing(labelbox: Labelbox) -> None:
    labelbox.rows = []

    assert listed(labelbox) == []


def test_export_is_read_by_byte_offset_to_its_end(labelbox: Labelbox) -> None:
    row = labelbox.rows[0]
    labelbox.rows = [row | {"data_row": row["data_row"] | {"id": f"row-ä{number}"}} for number in range(7)]
    labelbox.lines_a_piece = 3

    assert [item.id for item in listed(labelbox)] == [f"row-ä{number}" for number in range(7)]
    assert len(labelbox.storage.asked) == 3


def test_comment_leaves_the_revision_and_a_correction_moves_it(labelbox: Labelbox) -> None:
    (before,) = listed(labelbox)
    labelbox.rows[0]["data_row"]["details"]["last_activity_at"] = "2024-05-01T00:00:00.000+00:00"
    (commented,) = listed(labelbox)
    labelbox.rows[0]["projects"]["clur-project"]["labels"][0]["label_details"]["updated_at"] = "2024-05-02T00:00:00.000+00:00"
    (corrected,) = listed(labelbox)

    assert commented.revision == before.revision
    assert corrected.revision != before.revision


def test_only_named_annotators_count(labelbox: Labelbox) -> None:
    (labelled,) = fetched(labelbox, annotators=("bob@x",))
    assert labelled.pictures[0].annotators == ("bob@x",)
    assert [shape.annotator for shape in labelled.pictures[0].shapes] == ["bob@x"]
    assert [item.status for item in listed(labelbox, annotators=("nobody@x",))] == ["waiting"]


def test_author_of_a_label_without_objects_is_an_annotator_too(labelbox: Labelbox) -> None:
    labels = labelbox.rows[0]["projects"]["clur-project"]["labels"]
    empty = {"created_by": "carol@x", "created_at": "2024-04-08T16:00:00.000+00:00"}
    skipped = {"created_by": "dan@x", "created_at": "2024-04-08T16:00:00.000+00:00"}
    labels += [
        {"id": "z1", "label_details": empty, "annotations": {"objects": [], "classifications": []}},
        {"id": "z2", "label_details": skipped, "annotations": {}, "performance_details": {"skipped": True}},
    ]
    (labelled,) = fetched(labelbox)
    assert labelled.pictures[0].annotators == ("ann@x", "bob@x", "carol@x")


def test_answers_that_a_customer_gave_can_be_asked_for(labelbox: Labelbox) -> None:
    answer = {"name": "verified by customer", "radio_answer": {"name": "yes"}}
    verified = {"verified by customer": "yes"}

    assert [item.status for item in listed(labelbox, verified=verified)] == ["waiting"]
    labelbox.rows[0]["projects"]["clur-project"]["labels"][1]["annotations"]["classifications"] = [answer]
    assert [item.status for item in listed(labelbox, verified=verified)] == ["finished"]


BODY = b'{"event": "LABEL_CREATED"}'
SIGNED = "sha1=" + hmac.new(b"secret", BODY, hashlib.sha1).hexdigest()


def test_known_signature_is_genuine() -> None:
    # RFC 2202, test case 2
    digest = "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    assert Connector.is_genuine(b"Jefe", {"x-hub-signature": digest}, b"what do ya want for nothing?")


@pytest.mark.parametrize(
    ("secret", "headers", "body"),
    [
        (b"secret", {}, BODY),
        (b"secret", {"x-hub-signature": ""}, BODY),
        (b"secret", {"x-hub-signature": SIGNED.removeprefix("sha1=")}, BODY),
        (b"secret", {"x-hub-signature": "sha1=ünïcode"}, BODY),
        (b"another", {"x-hub-signature": SIGNED}, BODY),
        (b"secret", {"x-hub-signature": SIGNED}, BODY + b" "),
    ],
    ids=["no header", "empty", "no scheme", "not ASCII", "another secret", "another body"],
)
def test_forged_call_is_not_genuine(secret: bytes, headers: dict[str, str], body: bytes) -> None:
    assert not Connector.is_genuine(secret, headers, body)
