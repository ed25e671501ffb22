"""What holds of every hosted service, each against a server that behaves as documented."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from include.errors import ConfigError, StepError, Unavailable
from include.labelling.connector import connect
from include.labelling.items import Item, Labelled
from include.labelling.web import Web
from tests.hosted_servers.serving import Answer, Files, Service, answer, serving
from tests.include.labelling.hosted_cases import HOSTED, Hosted
from tests.labelled_coco import case, coco_of


@dataclass
class Project:
    """A service that runs, and a source that asks it."""

    hosted: Hosted
    service: Service
    storage: Files
    patience_s: float = 10

    def settings(self, **more: Any) -> dict[str, Any]:
        return {**self.hosted.settings(self.service.url), **more}

    def ask(self, what: Any, token: str | None = None, **more: Any) -> Any:
        """What `what` makes of a connector."""

        async def asked() -> Any:
            settings = self.settings(**more)
            async with Web(settings["url"], token or self.service.token, patience_s=self.patience_s) as web:
                return await what(connect(self.hosted.kind, settings, web))

        return asyncio.run(asked())

    def items(self, since: str | None = None, **more: Any) -> list[Item]:
        return self.ask(lambda connector: listed(connector, since), **more)

    def golden_item(self) -> Item:
        return next(item for item in self.items() if item.id == self.hosted.golden[0])

    def fetched(self, item: Item | None = None, **more: Any) -> Labelled:
        """The labels of an item, of the golden one if none is given."""
        wanted = item or self.golden_item()
        labelled: Labelled = self.ask(lambda connector: connector.fetch(wanted), **more)
        return labelled


async def listed(connector: Any, since: str | None) -> list[Item]:
    return [item async for item in connector.items(datetime.fromisoformat(since) if since else None)]


def plain(items: list[Item]) -> dict[str, tuple[str, str, str]]:
    return {item.id: (item.revision, item.status, item.updated_at.isoformat()) for item in items}


@pytest.fixture(params=HOSTED, ids=lambda hosted: hosted.kind)
def project(request: pytest.FixtureRequest) -> Iterator[Project]:
    with ExitStack() as stack:
        storage = stack.enter_context(serving(Files()))
        service = stack.enter_context(serving(request.param.make(storage)))
        yield Project(request.param, service, storage)


def test_every_item_is_listed_with_its_status(project: Project) -> None:
    items = project.items()

    assert {item.id: item.status for item in items} == project.hosted.statuses
    assert all(item.updated_at.tzinfo is not None for item in items)


def test_items_that_changed_since_are_listed_alone(project: Project) -> None:
    assert {item.id for item in project.items(project.hosted.since)} == project.hosted.changed


def test_team_says_what_counts_as_finished(project: Project) -> None:
    if not project.hosted.stricter:
        pytest.skip("its only rule is the export's filter: zillin/test_connector.py")
    before, after = plain(project.items()), plain(project.items(**project.hosted.stricter))

    assert {key: after[key][1] for key in project.hosted.stricter_statuses} == project.hosted.stricter_statuses
    judged_anew = {key for key in before if before[key][1] != after[key][1]}
    assert all(before[key][0] != after[key][0] for key in judged_anew), "what the rule judges anew has another revision"


def test_labels_become_the_coco_worked_out_by_hand(project: Project) -> None:
    labelled = project.fetched()

    assert coco_of(labelled) == case(f"{project.hosted.golden[1]}.coco")


def test_labels_are_fetched_without_what_the_listing_brought(project: Project) -> None:
    labelled = project.fetched(replace(project.golden_item(), payload=None))

    assert coco_of(labelled) == case(f"{project.hosted.golden[1]}.coco")


def test_ids_of_all_items_tell_which_were_deleted(project: Project) -> None:
    existing = project.ask(lambda connector: connector.existing())

    assert (existing and set(existing)) == project.hosted.existing


def test_guideline_is_kept_with_each_label(project: Project) -> None:
    labelled = project.fetched(guideline="v7")

    assert {shape.guideline for picture in labelled.pictures for shape in picture.shapes} == {"v7"}


def test_picture_comes_from_its_own_host_without_our_key(project: Project) -> None:
    labelled = project.fetched()
    picture = project.ask(lambda connector: connector.image(labelled.pictures[0]))

    assert picture.endswith(b"the picture")
    seen = [f"{request.headers} {request.query}" for request in project.storage.asked]
    assert not [said for said in seen if project.service.token in said or "authorization" in said or "x-api-key" in said]


def test_picture_that_is_gone_is_file_not_found(project: Project) -> None:
    labelled = project.fetched()
    project.storage.files.clear()
    getattr(project.service, "files", {}).clear()

    with pytest.raises(FileNotFoundError) as error:
        project.ask(lambda connector: connector.image(labelled.pictures[0]))

    assert "signed-for" not in str(error.value)


@pytest.mark.parametrize(
    "faults",
    [
        [answer({"error": "slow down"}, 429, headers={"retry-after": "0.2"})],
        [answer(b"", 503), answer(b"bad gateway", 502)],
        [None, answer(b"<html>", 200)],
    ],
    ids=["429 with Retry-After", "5xx twice", "not JSON"],
)
def test_faults_that_pass_change_nothing(project: Project, faults: list[Answer | None]) -> None:
    clean = plain(project.items())
    project.service.faults = faults

    assert plain(project.items()) == clean


def test_bodies_that_are_cut_are_asked_for_again(project: Project) -> None:
    clean = plain(project.items())
    project.service.cuts = project.storage.cuts = 2

    assert plain(project.items()) == clean
    assert project.service.cuts == 0


def test_repeated_and_shuffled_pages_give_the_same_items(project: Project) -> None:
    clean, since = plain(project.items()), project.hosted.since
    changed = plain(project.items(since))
    project.service.is_messy = True

    assert plain(project.items()) == clean
    assert plain(project.items(since)) == changed


def test_wrong_token_is_told_at_once_and_not_shown(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    with pytest.raises(ConfigError, match="token") as error:
        project.ask(lambda connector: listed(connector, None), token="another-key-of-somebody=7")

    assert "another-key-of-somebody" not in f"{error.value} {caplog.text}"


def test_unknown_project_is_told(project: Project) -> None:
    with pytest.raises(ConfigError):
        project.items(**project.hosted.unknown)


def test_service_that_stays_away_is_unavailable_and_no_secret_is_told(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = f"no luck with {project.service.token} today".encode()
    project.service.faults = [answer(echo, 500)] * 100
    project.patience_s = 0.5

    with pytest.raises(Unavailable) as error:
        project.items()

    assert "HTTP 500" in str(error.value)
    assert "no luck with … today" in str(error.value)
    assert project.service.token not in f"{error.value} {caplog.text}"


def test_no_secret_is_logged_when_all_is_well(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    labelled = project.fetched()
    project.ask(lambda connector: connector.image(labelled.pictures[0]))

    assert project.service.token not in caplog.text
    assert "signed-for" not in caplog.text
    assert project.service.token.encode() not in labelled.original


def test_item_that_is_none_is_refused_alone(project: Project) -> None:
    item = project.golden_item()
    nonsense: Any = {"id": 999, "nonsense": True}
    payload = json.dumps(nonsense).encode() if isinstance(item.payload, bytes) else nonsense

    async def fetch_nonsense(connector: Any) -> str:
        try:
            await connector.fetch(replace(item, id="999", payload=payload))
        except Exception as error:
            return type(error).__name__
        return "nothing"

    assert project.ask(fetch_nonsense) == "Refused"


def test_error_of_the_service_is_one_line(project: Project) -> None:
    project.service.faults = [answer(b"x\ny", 418)]

    with pytest.raises(StepError) as error:
        project.items()

    assert "\n" not in str(error.value)
