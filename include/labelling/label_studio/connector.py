"""Label Studio (https://labelstud.io/guide/api): tasks are the items. Over HTTP: its SDK cannot live beside our numpy.

Listed with the Data Manager's filter over `updated_at`, which moves with every change of annotations, and with predictions. All
annotations of a task that count as finished are taken in, each with who made it. The secret is a legacy token, or a personal
access token, which is exchanged for one that lasts five minutes. Webhooks are not signed: give them the header
`X-Visionloop-Secret`. Reviews exist in the enterprise edition only and are read as its documentation shows them: not tried.
Tried against server 1.23.2.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from include.errors import ConfigError
from include.labelling.connector import ServiceSettings
from include.labelling.items import Item, Labelled, Objection, Picture, Refused
from include.labelling.label_studio.files import bytes_of
from include.labelling.label_studio.shapes import Json
from include.labelling.label_studio.tasks import Finished, Rule
from include.labelling.paged import Page, complete

if TYPE_CHECKING:
    from include.labelling.web import Web

PAGE = 100  # tasks come with all their annotations


class Settings(ServiceSettings):
    """Of which project, and what counts as finished. `annotators` are named by their email."""

    project: int = Field(description="its number, as in the address /projects/3")
    finished: Finished = Field(
        default="labelled",
        description="labelled: by as many people as the project asks for; annotated: by anyone; ground_truth: what is marked so; "
        "reviewed: accepted by a reviewer (enterprise)",
    )


class Connector:
    """include/labelling/connector.py."""

    signed: ClassVar[bool] = False

    def __init__(self, settings: Settings, web: Web) -> None:
        self.settings, self.web = settings, web
        self.rule = Rule(settings.finished, settings.annotators, settings.guideline)
        self._images: dict[str, str] | None = None
        self._asking = asyncio.Lock()  # of what many tasks want at once, and one answer serves
        self._exchange = asyncio.Lock()
        self._renewer: asyncio.Task[Any] | None = None
        if web.token.count(".") == 2:  # a personal access token is a JWT
            web.renew = self._renew
        else:
            web.headers["Authorization"] = f"Token {web.token}"

    async def items(self, since: datetime | None) -> AsyncIterator[Item]:
        def listing() -> AsyncIterator[Page]:
            return self._pages({"fields": "all"}, since)

        async for task in complete(listing, lambda task: task["id"], lambda task: task["updated_at"]):
            await self._meet(task)
            yield self.rule.item(task)

    async def existing(self) -> frozenset[str] | None:
        def listing() -> AsyncIterator[Page]:
            return self._pages({"fields": "task_only", "include": "id"}, None)

        return frozenset([f"task-{task['id']}" async for task in complete(listing, lambda task: task["id"], lambda task: 0)])

    async def fetch(self, item: Item) -> Labelled:
        task = json.loads(item.payload) if item.payload else await self._task(item)
        await self._meet(task)
        return self.rule.labelled(task, await self._image_keys())

    async def image(self, picture: Picture) -> bytes:
        return await bytes_of(self.web, picture.address["task"], picture.address["at"])

    async def give_back(self, item_id: str, said: Sequence[Objection]) -> str:
        from include.labelling.label_studio.give_back import return_to

        return await return_to(self.web, int(item_id.removeprefix("task-")), said)

    @staticmethod
    def is_genuine(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        return hmac.compare_digest(headers.get("x-visionloop-secret", "").encode(), secret)

    async def _renew(self) -> bool:
        """Another short-lived token. False where it is that request itself which is refused."""
        if self._renewer is asyncio.current_task():
            return False
        stale = self.web.headers.get("Authorization")
        async with self._exchange:
            if self.web.headers.get("Authorization") == stale:
                self._renewer = asyncio.current_task()
                try:
                    answer = await self.web.ask("POST", "api/token/refresh/", json={"refresh": self.web.token})
                finally:
                    self._renewer = None
                self.web.headers["Authorization"] = f"Bearer {answer['access']}"
        return True

    async def _pages(self, words: Json, since: datetime | None) -> AsyncIterator[Page]:
        rules = [] if since is None else [{
            "filter": "filter:tasks:updated_at", "operator": "greater_or_equal", "type": "Datetime",
            "value": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),  # in any other form: HTTP 500
        }]  # fmt: skip
        query = json.dumps({"filters": {"conjunction": "and", "items": rules}, "ordering": ["tasks:id"]})
        asked = {**words, "project": self.settings.project, "page_size": PAGE, "query": query}
        number = 1
        met: set[int] = set()
        while True:
            try:
                answer = await self.web.ask("GET", "api/tasks/", params={**asked, "page": number})
            except FileNotFoundError:  # no such project, or a page past the end of a list that has become shorter
                if number == 1:
                    await self._project()
                return
            yield answer["tasks"], answer["total"]
            number += 1
            met |= {task["id"] for task in answer["tasks"]}
            if len(met) >= answer["total"]:
                return

    async def _project(self) -> Json:
        try:
            found: Json = await self.web.ask("GET", f"api/projects/{self.settings.project}/")
        except FileNotFoundError:
            raise ConfigError(f"{self.settings.url}: no project {self.settings.project}; is `project` right?") from None
        return found

    async def _task(self, item: Item) -> Json:
        try:
            found: Json = await self.web.ask("GET", f"api/tasks/{item.id.removeprefix('task-')}/")
        except FileNotFoundError:
            raise Refused(f"{item.id} is not there any more; expected it as it was listed") from None
        return found

    async def _meet(self, task: Json) -> None:
        """Annotations tell people by number: their emails are asked for once. Where that is not allowed, the number stays."""
        if not (unknown := self.rule.unknown(task)):
            return
        try:
            users = await self.web.ask("GET", "api/users/")
        except ConfigError:
            users = []
        emails = {one["id"]: one["email"] for one in users}
        self.rule.people.update({number: emails.get(number, str(number)) for number in unknown} | emails)

    async def _image_keys(self) -> dict[str, str]:
        """Name of each image in the labelling configuration → where in a task's data its file stands."""
        async with self._asking:
            if self._images is None:
                config = (await self._project()).get("parsed_label_config") or {}
                self._images = {
                    name: one.get("value") or one.get("valueList")
                    for control in config.values()
                    for name, one in zip(control["to_name"], control["inputs"], strict=True)
                    if one["type"] == "Image"
                }
        if not self._images:
            raise ConfigError(f"{self.settings.url}: project {self.settings.project} labels no <Image>; expected one")
        return self._images
