"""Zillin: one export for all, its filter, workspaces that are encrypted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from include.errors import ConfigError
from include.labelling.items import Picture
from include.labelling.web import Web
from include.labelling.zillin.connector import Connector, Settings
from tests.hosted_servers.serving import answer, serving
from tests.hosted_servers.zillin import Zillin
from tests.labelled_coco import case


@pytest.fixture
def zillin() -> Iterator[Zillin]:
    with serving(Zillin(case("zillin/accepted"))) as service:
        yield service


def ask(service: Zillin, what: Any, **more: Any) -> Any:
    async def asked() -> Any:
        settings = Settings(**{"url": service.url, "export": "api/Projects/9/export", "image": "api/Images/{image_id}", **more})
        async with Web(settings.url, service.token, patience_s=5) as web:
            return await what(Connector(settings, web))

    return asyncio.run(asked())


async def items(connector: Connector) -> list[Any]:
    return [item async for item in connector.items(None)]


def test_one_correction_is_one_item_though_the_export_counts_as_a_whole(zillin: Zillin) -> None:
    before = {item.id: item.revision for item in ask(zillin, items)}
    zillin.export |= {"AnnotationVersion": 13, "VersionGenerated": "2026-11-21T10:00:00Z"}
    zillin.export["DataSets"][0]["Images"][0]["Annotations"][0]["Segmentation"].pop()
    after = {item.id: item.revision for item in ask(zillin, items)}

    assert {key for key in before if before[key] != after[key]} == {"img-1"}


@pytest.mark.parametrize(
    ("kept", "state", "expected"),
    [
        ("Accepted", None, "finished"),
        ("Everything", None, "waiting"),
        ("Annotated", "Finished", "finished"),
        ("Annotated", "Waiting for approval", "waiting"),
    ],
    ids=["accepted", "everything, no word", "finished", "waits for approval"],
)
def test_filter_of_the_export_says_what_is_finished(zillin: Zillin, kept: str, state: str | None, expected: str) -> None:
    zillin.export["DataFilterType"] = kept
    if state:
        zillin.export["DataSets"][0]["Images"][0]["Status"] = state

    assert ask(zillin, items)[0].status == expected


def test_deletions_are_seen_only_where_the_export_holds_everything(zillin: Zillin) -> None:
    zillin.export["DataFilterType"] = "Everything"

    assert ask(zillin, lambda connector: connector.existing()) == {"img-1", "img-2", "beach/z.jpg"}


def test_encrypted_workspace_is_refused_clearly(zillin: Zillin) -> None:
    zillin.export["IsEncrypted"] = True

    with pytest.raises(ConfigError, match="expected a workspace that is not encrypted"):
        ask(zillin, items)


def test_encrypted_picture_is_refused_clearly(zillin: Zillin) -> None:
    zillin.files["img-1"] = bytes(range(100, 180))  # IV and blocks of AES: a multiple of 16 bytes, of no known kind

    with pytest.raises(ConfigError, match="expected a workspace that is not encrypted"):
        ask(zillin, lambda connector: connector.image(Picture("beach/x.jpg", (), address="img-1")))


@pytest.mark.parametrize("body", [b"[]", b'{"title": "no access"}'], ids=["a list", "another object"])
def test_export_that_is_none_is_told(zillin: Zillin, body: bytes) -> None:
    zillin.faults = [answer(body)]

    with pytest.raises(ConfigError, match="expected an export with DataSets"):
        ask(zillin, items)


def test_pictures_without_an_address_are_missing_and_say_why(zillin: Zillin) -> None:
    async def first(connector: Connector) -> Any:
        return (await connector.fetch((await items(connector))[0])).pictures[0]

    assert "`image` is not set" in (ask(zillin, first, image=None).missing or "")


@pytest.mark.parametrize("wrong", [{"image": "api/Images/1"}, {"annotators": ["ann"]}], ids=["no place for the id", "annotators"])
def test_setting_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="expected"):
        Settings(export="x", **wrong)


def test_nobody_calls_in_its_name() -> None:
    assert Connector.signed is False
    assert not Connector.is_genuine(b"", {}, b"")
