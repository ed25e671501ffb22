"""V7 Darwin: an item is a file of a dataset, or several in its slots.

The items are listed by their time, newest first, down to `since`: V7 documents no filter by time. Where a page is not in that
order, all are listed. Labels are read item by item; with `read: release` out of a release (Darwin JSON 2.0) that is made for the
occasion: it alone says for certain who drew and who reviewed, but holds the whole dataset, and only items that are `complete`.
Unverified: the name of the sort field, the shape of items' annotations (read in both spellings that darwin-py writes), the
address of a file whose listing has none. Webhooks are not signed: V7 sends a fixed Authorization header, which is the secret.
https://docs.v7labs.com, darwin-py 3.6.3
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from include.errors import ConfigError
from include.labelling.connector import ServiceSettings
from include.labelling.drawings import to_json
from include.labelling.items import Item, Labelled, Picture, Refused, Status
from include.labelling.stamps import EPOCH, digest, utc
from include.labelling.v7 import darwin
from include.labelling.v7.releases import Release
from include.labelling.web import Web

PAGE = 500


class Settings(ServiceSettings):
    """The dataset, and which of its items are finished work."""

    url: str = Field(default="https://darwin.v7labs.com/api", pattern=r"^https?://[^/\s]+(/.*)?$")
    team: str = Field(min_length=1, description="its slug, as in addresses")
    dataset: str = Field(min_length=1, description="its slug, as in addresses")
    dataset_id: int
    statuses: tuple[str, ...] = Field(default=("complete",), description="of new, annotate, review, complete: which are finished")
    verified_tag: str | None = Field(default=None, description="only items with this tag are finished")
    read: Literal["items", "release"] = Field(default="items", description="where labels are read from")
    export_limit_s: float = Field(default=900, gt=0, description="a release that takes longer is given up")
    export_every_s: float = Field(default=5, gt=0, description="how often its state is asked for")

    @model_validator(mode="after")
    def _release_has_it(self) -> Self:
        if self.read == "release" and set(self.statuses) != {"complete"}:
            raise ValueError(f"a release holds complete items only: expected statuses [complete], got {list(self.statuses)}")
        if self.read == "items" and self.annotators is not None:
            raise ValueError("V7 says who drew something in releases only: expected `read: release` beside `annotators`")
        return self


class Connector:
    """See include/labelling/connector.py."""

    signed: ClassVar[bool] = True

    def __init__(self, settings: Settings, web: Web) -> None:
        self.settings, self.web = settings, web
        web.headers = {"Authorization": f"ApiKey {web.token}"}
        self._classes: dict[Any, str] | None = None
        self._release = Release(settings, web)

    @property
    def _team(self) -> str:
        return f"v2/teams/{self.settings.team}"

    async def items(self, since: datetime | None) -> AsyncIterator[Item]:
        before: datetime | None = None
        is_in_order = True
        async for page in self._pages():
            found = [self._item(said) for said in page]
            for item in found:
                is_in_order = is_in_order and (before is None or item.updated_at <= before)
                before = item.updated_at
                if since is None or item.updated_at >= since:
                    yield item
            if since is not None and is_in_order and found and found[-1].updated_at < since:
                return

    async def existing(self) -> frozenset[str] | None:
        return frozenset([str(said["id"]) async for page in self._pages() for said in page])

    async def fetch(self, item: Item) -> Labelled:
        if self.settings.read == "release":
            document = await self._release.document(item.id)
            if document is None:
                raise Refused(f"item {item.id}: not in the release made for it; is it still complete?")
        else:
            document = await self._document(item)
        try:
            pictures = darwin.pictures(document, self.settings)
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(f"item {item.id}: expected Darwin JSON with item and annotations, got none of {error}") from None
        return Labelled(original=to_json(document).encode(), pictures=pictures)

    async def image(self, picture: Picture) -> bytes:
        return await self.web.read(str(picture.address))

    @staticmethod
    def is_genuine(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        return hmac.compare_digest(secret, headers.get("authorization", "").encode())

    async def _pages(self) -> AsyncIterator[list[Any]]:
        asked: list[tuple[str, Any]] = [
            ("dataset_ids[]", self.settings.dataset_id), ("page[size]", PAGE), ("sort[updated_at]", "desc"),
            ("include_workflow_data", "true"),
        ]  # fmt: skip
        cursor, seen = None, set()
        while True:
            more: list[tuple[str, Any]] = [("page[from]", cursor)] if cursor else []
            try:
                said = await self.web.ask("GET", f"{self._team}/items", params=[*asked, *more])
            except FileNotFoundError as error:
                raise ConfigError(f"{error}; expected V7's team {self.settings.team!r}: is `team` right?") from None
            yield said["items"]
            cursor = (said.get("page") or {}).get("next")
            if not cursor or cursor in seen:
                return
            seen.add(cursor)

    def _item(self, said: Mapping[str, Any]) -> Item:
        state = "archived" if said.get("archived") else str(said.get("status"))
        status: Status = "finished" if state in self.settings.statuses else "gone" if state == "archived" else "waiting"
        if self.settings.verified_tag is not None and status == "finished" and self.settings.verified_tag not in _tags(said):
            status = "waiting"
        at = utc(said.get("updated_at")) or utc(said.get("inserted_at")) or EPOCH
        slots = said.get("slots") or []
        return Item(
            id=str(said["id"]), revision=digest(said.get("updated_at"), state, status), status=status, state=state,
            updated_at=at, images=max(1, len(slots)), payload=dict(said),
        )  # fmt: skip

    async def _document(self, item: Item) -> Any:
        """As a release would have it."""
        try:
            said = item.payload or await self.web.ask("GET", f"{self._team}/items/{item.id}")
            annotations = await self.web.ask("GET", f"{self._team}/items/{item.id}/annotations")
        except FileNotFoundError as error:
            raise Refused(f"item {item.id}: {error}; was it deleted?") from None
        return {"item": said, "annotations": await self._named(annotations)}

    async def _named(self, annotations: Any) -> list[Any]:
        """Annotations with the names of their classes, where the service gave only ids."""
        found = annotations if isinstance(annotations, list) else annotations.get("annotations", annotations.get("items", []))
        named = []
        for one in found:
            name = one.get("name") or (one.get("annotation_class") or {}).get("name")
            if name is None and (key := one.get("annotation_class_id")) is not None:
                name = (await self._class_names()).get(key)
            named.append({**one, "name": name})
        return named

    async def _class_names(self) -> dict[Any, str]:
        if self._classes is None:
            said = await self.web.ask("GET", f"teams/{self.settings.team}/annotation_classes", params={"include_tags": "true"})
            self._classes = {one["id"]: one["name"] for one in said["annotation_classes"]}
        return self._classes


def _tags(said: Mapping[str, Any]) -> set[str]:
    """Of an item: a list of names, or names with values."""
    return {str(tag.get("name") if isinstance(tag, Mapping) else tag) for tag in said.get("tags") or []}
