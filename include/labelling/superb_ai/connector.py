"""Superb AI: an item is a label, which is all of one picture in one project.

Listed by `last_labeled_at`, which a review does not move: labels of the last `review_window_days` are listed each time, and those
that changed since are handed on. A review that comes later is seen by the nightly sweep, which lists everything.
Unverified: the angle of `rbox` (taken as degrees, clockwise), webhooks (none are documented: Superb AI is polled).
https://docs.superb-ai.com, SDKs superb-ai-label 0.22.2, spb-cli 0.19.4
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pydantic import Field

from include.errors import Unavailable
from include.labelling.connector import ServiceSettings
from include.labelling.drawings import to_json
from include.labelling.graphql import query
from include.labelling.items import Item, Labelled, Picture, Refused, Status
from include.labelling.stamps import digest, latest
from include.labelling.superb_ai import objects
from include.labelling.web import Web

PAGE, IDS_PAGE = 10, 500  # the SDK refuses to ask for more
FIELDS = (
    "id projectId status dataset dataKey dataUrl result infoReadPresignedUrl tags workAssignee reviewer lastReviewAction "
    "createdAt lastUpdatedBy lastUpdatedAt lastReviewedAt"
)
# without the signed addresses: they are secrets, and differ each time
KEPT = frozenset(FIELDS.split()) - {"dataUrl", "infoReadPresignedUrl", "result"}
SEARCH = """query ($projectId: String!, $pageSize: Int!, $filter: String, $cursor: String) {
  %s(projectId: $projectId, pageSize: $pageSize, filter: $filter, cursor: $cursor) { count edges { %s } cursor } }"""
ONE = """query ($projectId: String!, $id: String!) {
  labels(projectId: $projectId, id: $id, page: 1, pageSize: 1) { count edges { %s } } }"""


class Settings(ServiceSettings):
    """The project, and which of its labels are finished work."""

    url: str = Field(default="https://api.superb-ai.com", pattern=r"^https?://[^/\s]+(/.*)?$")
    team: str = Field(min_length=1, description="its name, with which one logs in")
    project: str = Field(min_length=1, description="its id")
    statuses: tuple[str, ...] = Field(default=("SUBMITTED",), description="of WORKING, SUBMITTED, SKIPPED: which are finished")
    reviews: tuple[str, ...] | None = Field(default=None, description="only labels whose last review is one of these: [APPROVE]")
    verified_tag: str | None = Field(default=None, description="only labels with this tag are finished")
    review_window_days: float = Field(default=14, ge=0, description="how long after a label was drawn its review is looked for")


class Connector:
    """See include/labelling/connector.py."""

    signed: ClassVar[bool] = False

    def __init__(self, settings: Settings, web: Web) -> None:
        self.settings, self.web = settings, web
        both = base64.b64encode(f"{settings.team}:{web.token}".encode()).decode()
        web.headers = {"X-API-KEY": web.token, "Authorization": f"Basic {both}"}

    async def items(self, since: datetime | None) -> AsyncIterator[Item]:
        asked = None
        if since is not None:
            drawn = since - timedelta(days=self.settings.review_window_days)
            asked = f"last_labeled_at_gte={drawn.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        async for label in self._searched("labelsSearch", FIELDS, asked, PAGE):
            item = self._item(label)
            if since is None or item.updated_at >= since:
                yield item

    async def existing(self) -> frozenset[str] | None:
        return frozenset([str(label["id"]) async for label in self._searched("labelIDSearch", "id", None, IDS_PAGE)])

    async def fetch(self, item: Item) -> Labelled:
        label = item.payload or await self._one(item.id)
        try:
            document = {"label": {name: value for name, value in label.items() if name in KEPT}, "info": await self._info(label)}
            picture = objects.picture(document, self.settings, label.get("dataUrl"))
        except FileNotFoundError as error:  # its body: an empty one would look like a picture without objects
            raise Refused(f"label {item.id}: {error}") from None
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(f"label {item.id}: expected Superb AI's result with objects, got none of {error}") from None
        return Labelled(original=to_json(document).encode(), pictures=(picture,))

    async def image(self, picture: Picture) -> bytes:
        return await self.web.read(str(picture.address))

    @staticmethod
    def is_genuine(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        return False  # nothing says that Superb AI calls anybody

    async def _info(self, label: Mapping[str, Any], may_renew: bool = True) -> Any:
        """The body of a label: behind a signed address, which is asked for again where it has run out, or within the label."""
        url = label.get("infoReadPresignedUrl")
        if not url:
            return label.get("result") or {}
        try:
            return await self.web.ask("GET", url)
        except (Unavailable, FileNotFoundError):
            if not may_renew:
                raise
            return await self._info(await self._one(str(label["id"])), may_renew=False)

    async def _one(self, label_id: str) -> Mapping[str, Any]:
        said = await query(self.web, "v2/graphql", ONE % FIELDS, {"projectId": self.settings.project, "id": label_id})
        if not said["labels"]["edges"]:
            raise Refused(f"label {label_id}: Superb AI has none by this id; was it deleted?")
        found: Mapping[str, Any] = said["labels"]["edges"][0]
        return found

    async def _searched(self, name: str, fields: str, asked: str | None, size: int) -> AsyncIterator[Mapping[str, Any]]:
        variables = {"projectId": self.settings.project, "pageSize": size, "filter": asked}
        cursor, seen = None, set()
        while True:
            said = (await query(self.web, "v2/graphql", SEARCH % (name, fields), {**variables, "cursor": cursor}))[name]
            for label in said["edges"]:
                yield label
            cursor = said.get("cursor")
            if not cursor or not said["edges"] or cursor in seen:
                return
            seen.add(cursor)

    def _item(self, label: Mapping[str, Any]) -> Item:
        state, review = str(label.get("status")), label.get("lastReviewAction")
        status = self._status(state, review, label)
        return Item(
            id=str(label["id"]),
            revision=digest(status, state, review, label.get("lastUpdatedAt"), label.get("lastReviewedAt")),
            status=status,
            state=f"{state}, {review}" if review else state,
            updated_at=latest(label.get("lastUpdatedAt"), label.get("lastReviewedAt"), label.get("createdAt")),
            payload=dict(label),
        )

    def _status(self, state: str, review: Any, label: Mapping[str, Any]) -> Status:
        rule = self.settings
        if state == "SKIPPED" and state not in rule.statuses:
            return "skipped"
        is_finished = (
            state in rule.statuses
            and (rule.reviews is None or review in rule.reviews)
            and (rule.annotators is None or objects.annotator(label) in rule.annotators)
            and (rule.verified_tag is None or rule.verified_tag in objects.tags(label))
        )
        return "finished" if is_finished else "waiting"
