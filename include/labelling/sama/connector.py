"""Sama: an item is a task, and most often one picture.

The key travels in the query of every address: nothing here logs a query. Deliveries are listed by `from` (never by Sama's own
cursor, which moves on when it is read: a crash would lose what it had given); other states through the list of tasks.
Unverified: that a rectangle is four points (the box is what encloses any number of them), that the class is in the tags (which
one: `class_tag`), which times a task has beside `created_at`, what the list of tasks compares `from` with, how a signed delivery
is signed: webhooks are taken with a fixed token (`X-Auth-Token`, or basic: the secret is `user:password` then), not with HMAC.
https://docs.sama.com, SDK sama 0.5.12
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from include.errors import ConfigError
from include.labelling.connector import ServiceSettings
from include.labelling.drawings import to_json
from include.labelling.items import Item, Labelled, Objection, Picture, Refused, Status
from include.labelling.sama import outputs
from include.labelling.stamps import digest, latest
from include.labelling.web import Web

DELIVERED_PAGE, LISTED_PAGE = 1000, 100
TIMES = ("delivered_at", "updated_at", "submitted_at", "completed_at", "created_at")


class Settings(ServiceSettings):
    """The project, its inputs and tags, and which of its tasks are finished work."""

    url: str = Field(default="https://api.sama.com/v2", pattern=r"^https?://[^/\s]+(/.*)?$")
    project: int | str
    states: tuple[str, ...] = Field(
        default=("delivered", "acknowledged"), description="of completed, approved, delivered, acknowledged: which are finished"
    )
    verified: dict[str, str] = Field(
        default_factory=dict, description="answers that a task must have to be finished: {verified by customer: yes}"
    )
    image_field: str = Field(default="url", description="input of the project that holds the picture's address")
    name_field: str = Field(default="name", description="input that names the picture; without it: the end of its address")
    group_field: str | None = Field(default=None, description="input that says what a split must not tear apart")
    class_tag: str | None = Field(
        default=None, description="tag of a shape that is its class; null: class, label, name, or its only tag"
    )

    @model_validator(mode="after")
    def _nobody_is_named(self) -> Self:
        if self.annotators is not None:
            raise ValueError("Sama does not say who drew a shape: expected no `annotators`")
        return self


class Connector:
    """See include/labelling/connector.py."""

    signed: ClassVar[bool] = True

    def __init__(self, settings: Settings, web: Web) -> None:
        self.settings, self.web = settings, web

    async def items(self, since: datetime | None) -> AsyncIterator[Item]:
        """Finished ones with their answers; of the others only their state."""
        after = {} if since is None else {"from": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        async for task in self._pages("tasks/delivered.json", DELIVERED_PAGE, after):
            yield self._item({"state": "delivered", **task})
        for state in self.settings.states:
            if state not in ("delivered", "acknowledged"):
                asked = {**after, "state": state, "omit_answers": "false"}
                async for task in self._pages("tasks.json", LISTED_PAGE, asked):
                    yield self._item({"state": state, **task})
        async for task in self._pages("tasks.json", LISTED_PAGE, {**after, "omit_answers": "true"}):
            if task.get("state") not in {"delivered", "acknowledged", *self.settings.states}:
                yield self._item(task)

    async def existing(self) -> frozenset[str] | None:
        return frozenset([str(task["id"]) async for task in self._pages("tasks.json", LISTED_PAGE, {"omit_answers": "true"})])

    async def fetch(self, item: Item) -> Labelled:
        try:
            task = item.payload or (await self._ask("GET", f"tasks/{item.id}.json", {"same_as_delivery": "true"}))["task"]
            picture = outputs.picture(task, self.settings)
        except FileNotFoundError as error:
            raise Refused(f"task {item.id}: {error}; was it deleted?") from None
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(f"task {item.id}: expected Sama's task with data and answers, got none of {error}") from None
        return Labelled(original=to_json(task).encode(), pictures=(picture,))

    async def image(self, picture: Picture) -> bytes:
        return await self.web.read(str(picture.address))

    async def give_back(self, item_id: str, said: Sequence[Objection]) -> str:
        """The task is rejected, and goes back to be labelled again: each rule with its picture."""
        reasons = [one.message for one in said]
        await self._ask("PUT", f"tasks/{item_id}/reject.json", {}, json={"reasons": reasons})
        return f"task {item_id} rejected with {len(reasons)} reasons"

    @staticmethod
    def is_genuine(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        is_token = hmac.compare_digest(secret, headers.get("x-auth-token", "").encode())
        basic = b"Basic " + base64.b64encode(secret)
        is_basic = b":" in secret and hmac.compare_digest(basic, headers.get("authorization", "").encode())
        return bool(secret) and (is_token or is_basic)

    async def _ask(self, method: str, path: str, asked: Mapping[str, Any], **words: Any) -> Any:
        params = {"access_key": self.web.token, **asked}
        return await self.web.ask(method, f"projects/{self.settings.project}/{path}", params=params, **words)

    async def _pages(self, path: str, size: int, asked: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        number = 1
        while True:
            try:
                said = await self._ask("GET", path, {**asked, "page": number, "page_size": size})
            except FileNotFoundError as error:
                raise ConfigError(f"{error}; expected Sama's project {self.settings.project!r}: is `project` right?") from None
            tasks = said.get("tasks") or []
            for task in tasks:
                yield task
            if len(tasks) < size:
                return
            number += 1

    def _item(self, task: Mapping[str, Any]) -> Item:
        state, answers = str(task.get("state")), task.get("answers") or {}
        is_finished = state in self.settings.states and all(
            str(answers.get(name)) == value for name, value in self.settings.verified.items()
        )
        status: Status = "finished" if is_finished else "waiting"
        # what was corrected and corrected back differs by its time, where Sama says it
        stamps = [task.get(name) for name in ("delivered_at", "submitted_at", "completed_at")]
        return Item(
            id=str(task["id"]), revision=digest(status, answers, stamps), status=status, state=state,
            updated_at=latest(*(task.get(name) for name in TIMES)), payload=dict(task) if answers and is_finished else None,
        )  # fmt: skip
