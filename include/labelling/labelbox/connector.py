"""Labelbox: an item is a data row, with the labels of one annotator or of several.

Listed by an export job of the project (`last_activity_at`), read by byte offset. That time also moves on comments and metadata:
the revision follows from the labels and their times. Times are sent as UTC with +0000, because Labelbox drops any other offset.
Unverified: the field `status` of the GraphQL root `task` (the SDK reads it through the user's tasks), the body of webhooks (a
call only wakes us), `performance_details.skipped`.
https://docs.labelbox.com/reference/export-quick-reference, SDK labelbox 7.17.0
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import Field

from include.errors import Unavailable
from include.labelling.connector import ServiceSettings
from include.labelling.exports import until_made
from include.labelling.graphql import query
from include.labelling.items import Item, Labelled, Picture, Refused
from include.labelling.labelbox import rows
from include.labelling.patience import AskAgain
from include.labelling.web import Web

CREATE = """mutation ExportDataRowsInProject($input: ExportDataRowsInProjectInput!) {
  exportDataRowsInProject(input: $input) { taskId isStreamable } }"""
STATUS = "query TaskStatus($where: WhereUniqueIdInput) { task(where: $where) { status } }"
HEADER = """query ExportHeader($where: WhereUniqueIdInput, $streamType: TaskStreamType!) {
  task(where: $where) { exportMetadataHeader(streamType: $streamType) { totalSize totalLines } } }"""
PIECE = """query ExportPiece($where: WhereUniqueIdInput, $streamType: TaskStreamType!, $offset: UInt64!) {
  task(where: $where) { exportFileFromOffset(streamType: $streamType, offset: $offset) {
    offsets { start end } lines { start end } file } } }"""


class Settings(ServiceSettings):
    """The project, and which of its labels are finished work."""

    url: str = Field(default="https://api.labelbox.com", pattern=r"^https?://[^/\s]+(/.*)?$", description="GraphQL is below it")
    project: str = Field(min_length=1, description="its id, as in the address of its page")
    workflow_status: tuple[str, ...] = Field(
        default=("DONE",), description="of TO_LABEL, IN_REVIEW, IN_REWORK, DONE: which count as finished"
    )
    reviewed: bool = Field(default=False, description="only labels that somebody reviewed")
    verified: dict[str, str] = Field(
        default_factory=dict, description="answers that a label must have to be finished: {verified by customer: yes}"
    )
    export_limit_s: float = Field(default=900, gt=0, description="an export that takes longer is given up")
    export_every_s: float = Field(default=2, gt=0, description="how often its state is asked for")


class Connector:
    """See include/labelling/connector.py."""

    signed: ClassVar[bool] = True

    def __init__(self, settings: Settings, web: Web) -> None:
        self.settings, self.web = settings, web
        web.headers = {"Authorization": f"Bearer {web.token}"}

    async def items(self, since: datetime | None) -> AsyncIterator[Item]:
        filters = [] if since is None else [_active_since(since)]
        async for row, line in self._export(filters, has_labels=True):
            yield rows.item(row, line, self.settings)

    async def existing(self) -> frozenset[str] | None:
        return frozenset([str(row["data_row"]["id"]) async for row, _ in self._export([], has_labels=False)])

    async def fetch(self, item: Item) -> Labelled:
        line = item.payload or await self._line(item.id)
        try:
            picture = rows.picture(json.loads(line), self.settings)
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(f"data row {item.id}: expected an export of Labelbox, got none of {error}") from None
        return Labelled(original=line, pictures=(picture,))

    async def image(self, picture: Picture) -> bytes:
        return await self.web.read(str(picture.address))

    @staticmethod
    def is_genuine(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        expected = "sha1=" + hmac.new(secret, body, hashlib.sha1).hexdigest()
        return hmac.compare_digest(expected.encode(), headers.get("x-hub-signature", "").encode())

    async def _line(self, data_row_id: str) -> bytes:
        async for _, line in self._export([{"ids": [data_row_id], "operator": "is", "type": "data_row_id"}], has_labels=True):
            return line
        raise Refused(f"data row {data_row_id}: Labelbox exports nothing of it; was it deleted?")

    async def _export(self, filters: list[Any], has_labels: bool) -> AsyncIterator[tuple[Any, bytes]]:
        """The rows of an export that is made now, each with the line it came in."""
        asked = {
            "taskName": None,
            "isStreamableReady": True,
            "filters": {"projectId": self.settings.project, "searchQuery": {"scope": None, "query": filters}},
            "params": {
                "includeAttachments": False, "includeEmbeddings": False, "includeMetadata": has_labels,
                "includeDataRowDetails": has_labels, "includeProjectDetails": has_labels, "includeLabelDetails": has_labels,
                "includePerformanceDetails": has_labels, "includeInterpolatedFrames": False, "mediaTypeOverride": None,
            },
            "streamable": True,
        }  # fmt: skip
        made = await query(self.web, "graphql", CREATE, {"input": asked})
        task = {"where": {"id": made["exportDataRowsInProject"]["taskId"]}}
        limits = {"limit_s": self.settings.export_limit_s, "every_s": self.settings.export_every_s}
        await until_made(lambda: self._state(task), what=f"Labelbox: export task {task['where']['id']}", **limits)
        header = (await query(self.web, "graphql", HEADER, {**task, "streamType": "RESULT"}))["task"]["exportMetadataHeader"]
        offset, size = 0, header["totalSize"] if header else 0
        while offset < size:
            said = await query(self.web, "graphql", PIECE, {**task, "streamType": "RESULT", "offset": str(offset)})
            piece = said["task"]["exportFileFromOffset"]
            end = int(piece["offsets"]["end"])
            if end < offset:
                raise Unavailable(f"Labelbox: an export's piece from byte {offset} ends at {end}; expected a later one")
            for row in await self.web.take("GET", piece["file"], _rows):
                yield row
            offset = end + 1

    async def _state(self, task: Mapping[str, Any]) -> tuple[str, bool | None]:
        found = (await query(self.web, "graphql", STATUS, task))["task"]
        state = str((found or {}).get("status"))
        if state == "FAILED":
            raise Unavailable(f"Labelbox: export task {task['where']['id']} failed; another try may do")
        return state, True if state == "COMPLETE" else None


def _active_since(since: datetime) -> dict[str, Any]:
    at = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
    value = {"operator": "GREATER_THAN_OR_EQUAL", "timezone": "UTC", "value": at}
    return {"type": "data_row_last_activity_at", "value": value}


def _rows(body: bytes) -> list[tuple[Any, bytes]]:
    """Of NDJSON. Raises AskAgain: the end may be missing."""
    return list(_each(body))


def _each(body: bytes) -> Iterator[tuple[Any, bytes]]:
    for number, line in enumerate(body.splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line), line
            except (ValueError, RecursionError) as error:
                raise AskAgain(f"line {number} of an export is not JSON ({error})") from None
