"""SuperAnnotate: an item is an image of a project, in one of its folders.

Three addresses: the API, its items, its annotations. The items have no filter by time: all are listed (2,000 a page), those that
changed are handed on. Labels come as a stream of JSON objects; large ones from an address of their own.
Unverified: what `X-Authorization-Content-Sha256` is over (taken as hex HMAC-SHA-256 of the body), the unit of lastAction's time
(seconds and milliseconds are told apart by size), that `metadata.path` or `path` of an item is an address: files in
SuperAnnotate's own storage have none, and are recorded as missing.
https://doc.superannotate.com, SDK superannotate 4.6.2 (which cannot be pointed at another host)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from include.errors import ConfigError
from include.labelling.connector import ServiceSettings
from include.labelling.drawings import to_json
from include.labelling.items import Item, Labelled, Picture, Refused, Status
from include.labelling.patience import AskAgain
from include.labelling.stamps import digest, latest
from include.labelling.superannotate import instances
from include.labelling.web import Web

PAGE = 2000
# as numbers in the items' answers, as words in the files
STATUSES = {1: "NotStarted", 2: "InProgress", 3: "QualityCheck", 4: "Returned", 5: "Completed", 6: "Skipped"}
APPROVALS = {0: "None", 1: "Disapproved", 2: "Approved"}
URL = r"^https?://[^/\s]+(/.*)?$"


class Settings(ServiceSettings):
    """The project, its three addresses, and which of its items are finished work."""

    url: str = Field(default="https://api.superannotate.com", pattern=URL)
    items_url: str = Field(default="https://item.superannotate.com/api/v1", pattern=URL)
    annotations_url: str = Field(default="https://assets-provider.superannotate.com/api/v3.01", pattern=URL)
    team_id: int
    project_id: int
    token_kind: Literal["sdk", "api_key"] = Field(
        default="sdk", description="sdk: a token that ends in =<team id>; api_key: a newer one"
    )
    statuses: tuple[str, ...] = Field(default=("Completed",), description="of NotStarted … Completed: which are finished")
    approvals: tuple[str, ...] | None = Field(default=None, description="of None, Disapproved, Approved; null: any")
    verified: dict[str, str] = Field(
        default_factory=dict, description="custom metadata that an item must have to be finished: {verified by customer: yes}"
    )


class Connector:
    """See include/labelling/connector.py."""

    signed: ClassVar[bool] = True

    def __init__(self, settings: Settings, web: Web) -> None:
        self.settings, self.web = settings, web
        context = json.dumps({"team_id": settings.team_id, "project_id": settings.project_id}, separators=(",", ":"))
        web.headers = {
            "Authorization": web.token,
            "authtype": settings.token_kind,
            "x-sa-entity-context": base64.b64encode(context.encode()).decode(),
        }
        web.also(settings.items_url)
        web.also(settings.annotations_url)

    async def items(self, since: datetime | None) -> AsyncIterator[Item]:
        async for said in self._listed():
            item = self._item(said)
            if since is None or item.updated_at >= since:
                yield item

    async def existing(self) -> frozenset[str] | None:
        return frozenset([str(said["id"]) async for said in self._listed()])

    async def fetch(self, item: Item) -> Labelled:
        try:
            found = await self._annotations(int(item.id))
            document = {"item": item.payload or await self._one(item.id), "annotations": found}
        except FileNotFoundError as error:
            raise Refused(f"item {item.id}: {error}; was it deleted?") from None
        try:
            picture = instances.picture(document, self.settings)
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(f"item {item.id}: expected SuperAnnotate's metadata and instances, got none of {error}") from None
        return Labelled(original=to_json(document).encode(), pictures=(picture,))

    async def image(self, picture: Picture) -> bytes:
        return await self.web.read(str(picture.address))

    @staticmethod
    def is_genuine(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), headers.get("x-authorization-content-sha256", "").lower().encode())

    @property
    def _scope(self) -> dict[str, int]:
        return {"team_id": self.settings.team_id, "project_id": self.settings.project_id}

    async def _listed(self) -> AsyncIterator[Mapping[str, Any]]:
        url, offset = f"{self.settings.items_url.rstrip('/')}/items/search", 0
        while True:
            asked = {"query": {"limit": PAGE, "offset": offset, "search": {}, "join": [{"metadata": ["path"]}]}}
            try:
                said = await self.web.ask("POST", url, params={"team_id": self.settings.team_id}, json=asked)
            except FileNotFoundError as error:
                raise ConfigError(f"{error}; are `items_url` and `project_id` right?") from None
            page = said["data"] if isinstance(said, dict) else said
            for one in page:
                yield one
            offset += len(page)
            if len(page) < PAGE:
                return

    async def _one(self, item_id: str) -> Mapping[str, Any]:
        said = await self.web.ask("GET", f"{self.settings.items_url.rstrip('/')}/items/{item_id}", params=self._scope)
        found: Mapping[str, Any] = said.get("data", said)
        return found

    def _item(self, said: Mapping[str, Any]) -> Item:
        state = _word(said.get("annotation_status", said.get("annotationStatus")), STATUSES)
        approval = _word(said.get("approval_status", said.get("approvalStatus")), APPROVALS)
        status = self._status(state, approval, said)
        return Item(
            id=str(said["id"]),
            revision=digest(said.get("updatedAt"), state, approval, status),
            status=status,
            state=state if approval == "None" else f"{state}, {approval}",
            updated_at=latest(said.get("updatedAt"), said.get("createdAt")),
            payload=dict(said),
        )

    def _status(self, state: str, approval: str, said: Mapping[str, Any]) -> Status:
        rule, custom = self.settings, said.get("custom_metadata") or said.get("customMetadata") or {}
        if state == "Skipped" and state not in rule.statuses:
            return "skipped"
        is_finished = (
            state in rule.statuses
            and (rule.approvals is None or approval in rule.approvals)
            and (rule.annotators is None or instances.annotator(said) in rule.annotators)
            and all(str(custom.get(name)) == value for name, value in rule.verified.items())
        )
        return "finished" if is_finished else "waiting"

    async def _annotations(self, item_id: int) -> Any:
        """Large ones do not come in the stream. Raises FileNotFoundError where there are none."""
        url = self.settings.annotations_url.rstrip("/")
        asked: dict[str, Any] = {"params": {**self._scope, "limit": 1}, "json": {"image_ids": [item_id]}}
        if found := await self.web.take("POST", f"{url}/items/annotations/download", streamed, **asked):
            return found[0]
        more = {**self._scope, "annotation_type": "MAIN", "version": "V1.00"}
        return await self.web.ask("POST", f"{url}/items/{item_id}/annotations/download", params=more)


def streamed(body: bytes) -> list[Any]:
    r"""The JSON objects of a stream, between which is `\n;)\n` (in letters, or as line ends). Raises AskAgain where it is cut."""
    try:
        text, found, at = body.decode(), [], 0
        while at < len(text):
            if text[at] == "{":
                one, at = json.JSONDecoder().raw_decode(text, at)
                found.append(one)
            elif text[at] in "\\n;) \r\n\t":
                at += 1
            else:
                raise ValueError(f"expected an object at {at}, got {text[at : at + 20]!r}")
    except (ValueError, RecursionError) as error:
        raise AskAgain(f"got {len(body)} bytes that are no stream of JSON objects ({error})") from None
    return found


def _word(said: Any, words: Mapping[int, str]) -> str:
    return "None" if said is None else words.get(said, str(said)) if isinstance(said, int) else str(said)
