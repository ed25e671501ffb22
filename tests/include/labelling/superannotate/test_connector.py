"""SuperAnnotate: streams, large items, times in two units, its signature."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from include.labelling.patience import AskAgain
from include.labelling.stamps import utc_text
from include.labelling.superannotate.connector import Connector, Settings, streamed
from include.labelling.web import Web
from tests.hosted_servers.serving import Files, serving
from tests.hosted_servers.superannotate import SuperAnnotate
from tests.include.labelling.hosted_cases import HOSTED
from tests.labelled_coco import case, coco_of

hosted = next(one for one in HOSTED if one.kind == "superannotate")


@pytest.fixture
def service() -> Iterator[SuperAnnotate]:
    with serving(Files()) as storage:
        made = hosted.make(storage)
        assert isinstance(made, SuperAnnotate)
        with serving(made) as running:
            yield running


async def golden(connector: Connector) -> Any:
    item = next([item async for item in connector.items(None) if item.id == "1"].__iter__())
    return await connector.fetch(item)


def ask(service: SuperAnnotate, what: Any) -> Any:
    async def asked() -> Any:
        settings = Settings.model_validate(hosted.settings(service.url))
        async with Web(settings.url, service.token, patience_s=5) as web:
            return await what(Connector(settings, web))

    return asyncio.run(asked())


def test_large_annotations_are_read_from_their_own_address(service: SuperAnnotate) -> None:
    service.large = {1}

    assert coco_of(ask(service, golden)) == case("superannotate/vector.coco")


@pytest.mark.parametrize("host", ["items_url", "annotations_url"])
def test_each_of_its_hosts_gets_the_headers(service: SuperAnnotate, host: str) -> None:
    """Three servers, as in the cloud: the items and the annotations are on hosts that are not `url`'s."""
    with serving(SuperAnnotate(service.items, service.annotations)) as other:
        path = "items_api" if host == "items_url" else "assets_api"

        async def asked() -> Any:
            settings = Settings.model_validate(hosted.settings(service.url) | {host: f"{other.url}/{path}"})
            async with Web(settings.url, service.token, patience_s=5) as web:
                return await golden(Connector(settings, web))

        assert coco_of(asyncio.run(asked())) == case("superannotate/vector.coco")
        assert other.asked


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (1644997568, "2022-02-16T07:46:08+00:00"),
        (1610622159937, "2021-01-14T11:02:39.937000+00:00"),
        ("2021-01-14T11:02:39.937Z", "2021-01-14T11:02:39.937000+00:00"),
        ("20130715T04:45:57", "2013-07-15T04:45:57+00:00"),
        ("yesterday", None),
        (None, None),
        (True, None),
        (1e300, None),
    ],
    ids=["seconds", "milliseconds", "ISO", "basic date", "no time", "nothing", "a truth", "beyond all years"],
)
def test_time_is_read_in_any_unit(said: Any, expected: str | None) -> None:
    assert utc_text(said) == expected


@pytest.mark.parametrize("between", [b"\\n;)\\n", b"\n;)\n", b"\n", b""], ids=["letters", "line ends", "a line end", "nothing"])
def test_stream_is_read_whatever_stands_between(between: bytes) -> None:
    assert streamed(between.join([b'{"a":"}{"}', b'{"b":2}'])) == [{"a": "}{"}, {"b": 2}]


@pytest.mark.parametrize("body", [b'{"a":1}\\n;)\\n{"b"', b"<html>", b'{"a":"\xff"}'], ids=["cut", "a page", "not UTF-8"])
def test_stream_that_is_none_is_asked_for_again(body: bytes) -> None:
    with pytest.raises(AskAgain):
        streamed(body)


def test_known_signature_is_genuine_and_no_other() -> None:
    # RFC 4231, test case 2
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    body = b"what do ya want for nothing?"
    assert Connector.is_genuine(b"Jefe", {"x-authorization-content-sha256": digest}, body)
    assert not Connector.is_genuine(b"Jefe", {"x-authorization-content-sha256": digest}, body + b"!")
    assert not Connector.is_genuine(b"Jeff", {"x-authorization-content-sha256": digest}, body)
    assert not Connector.is_genuine(b"Jefe", {}, body)
