"""CVAT (https://docs.cvat.ai/docs/api_sdk/): jobs are the items, frames the pictures.

Jobs are listed with the JSON filter over `updated_date`, which moves with every change of annotations, state, stage and assignee;
names in a project's labels may change without it. Ground-truth jobs, and replicas of consensus jobs unless they are asked for,
are recorded as skipped: their labels would count twice. Where a task's jobs overlap, an image is in both.

CVAT does not keep who drew a shape: the job's assignee stands for that, at the time when the job changed last. Tracks:
tracks.py. The secret is a personal access token, `user:password`, or a key of /api/auth/login.

Written from the documentation of the API, the official SDK 2.80 and the published source of the server, and tried against a
server of our own that answers so (tests/cvat_server.py); not against a real one.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from include.errors import ConfigError, Unavailable
from include.labelling.cvat.api import PAGE, RAW, Api, in_organization
from include.labelling.cvat.give_back import return_to
from include.labelling.cvat.settings import Settings
from include.labelling.cvat.shapes import Job, Json, pictures
from include.labelling.drawings import NO_BOX
from include.labelling.items import Item, Labelled, Objection, Picture, Refused, Shape, Status
from include.labelling.paged import Page, complete
from include.labelling.stamps import utc_text
from include.labelling.web import Declined

if TYPE_CHECKING:
    from include.labelling.web import Web

__all__ = ["Connector", "Settings"]


class Connector:
    """include/labelling/connector.py, over the official SDK for what is read job by job."""

    signed: ClassVar[bool] = True

    def __init__(self, settings: Settings, web: Web) -> None:
        self.settings, self.web, self.api = settings, web, Api(web)
        self._labels: dict[Any, tuple[list[Json], bytes]] = {}
        self._guides: dict[int, str] = {}
        self._asking = asyncio.Lock()  # of what many jobs want at once, and one answer serves

    async def items(self, since: datetime | None) -> AsyncIterator[Item]:
        is_empty = True
        async for job in complete(lambda: self._pages(since), lambda job: job["id"], lambda job: job["updated_date"]):
            is_empty = False
            updated_at = datetime.fromisoformat(job["updated_date"])
            if since is None or updated_at >= since:
                yield self._item(job, updated_at)
        if is_empty and since is None:
            await self._check_that_it_exists()

    async def existing(self) -> frozenset[str] | None:
        jobs = complete(lambda: self._pages(None), lambda job: job["id"], lambda job: 0)
        return frozenset([f"job-{job['id']}" async for job in jobs])

    async def fetch(self, item: Item) -> Labelled:
        number = int(item.id.removeprefix("job-"))
        try:
            job, originals = await self._job(number)
        except FileNotFoundError:
            raise Refused(f"job {number} is not there any more; expected it, and its task's data") from None
        listed = (item.payload or job.job)["updated_date"]
        if job.job["updated_date"] != listed:
            raise Refused(
                f"job {number}: got it as of {job.job['updated_date']}, expected {listed}, as it was listed: it comes again"
            )
        found, strays = pictures(job, json.loads(originals["annotations"]))
        whole = b",".join(json.dumps(name).encode() + b":" + body for name, body in originals.items())
        return Labelled(b"{" + whole + b"}", found, strays)

    async def image(self, picture: Picture) -> bytes:
        job, frame = picture.address["job"], picture.address["frame"]
        try:
            return await self.web.read(f"api/jobs/{job}/data", params={"type": "frame", "number": frame, "quality": "original"})
        except Declined as error:  # of one frame: its file is gone from the cloud storage behind CVAT, or it has another size now
            raise FileNotFoundError(str(error)) from None

    async def give_back(self, item_id: str, said: Sequence[Objection]) -> str:
        job, originals = await self._job(int(item_id.removeprefix("job-")))
        return await return_to(self.api, job, json.loads(originals["annotations"]), said)

    @staticmethod
    def is_genuine(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        expected = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
        return hmac.compare_digest(headers.get("x-signature-256", "").encode(), expected.encode())

    async def _pages(self, since: datetime | None) -> AsyncIterator[Page]:
        """The server leaves out what it does not know of a question: that it did filter is checked."""
        params = {"filter": json.dumps(self._filter(since)), "sort": "id", "page_size": PAGE}
        number = 1
        while True:
            try:
                answer = await self.web.ask("GET", "api/jobs", params={**params, "page": number})
            except FileNotFoundError:
                if number == 1:
                    raise
                return  # the list has become shorter than it was
            self._check(answer["results"])
            yield answer["results"], answer["count"]
            number += 1
            if not answer.get("next"):
                return

    def _filter(self, since: datetime | None) -> Json:
        if self.settings.project is not None:
            rules: list[Json] = [{"==": [{"var": "project_id"}, self.settings.project]}]
        else:
            of_tasks: list[Json] = [{"==": [{"var": "task_id"}, task]} for task in self.settings.tasks]
            rules = of_tasks if len(of_tasks) == 1 else [{"or": of_tasks}]
        if since is not None:
            rules.append({">=": [{"var": "updated_date"}, since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")]})
        return {"and": rules}

    async def _check_that_it_exists(self) -> None:
        """A list filtered by a number that does not exist is empty, and so is that of what we may not see."""
        one = self.settings
        places = [f"api/projects/{one.project}"] if one.project is not None else [f"api/tasks/{task}" for task in one.tasks]
        for place in places:
            try:
                await self.web.ask("GET", place)
            except FileNotFoundError:
                raise ConfigError(
                    f"{one.url}: no {place.removeprefix('api/')}; is its number right, and may we see it?"
                ) from None

    def _check(self, jobs: list[Json]) -> None:
        one = self.settings
        for job in jobs:
            if job["task_id"] not in one.tasks if one.project is None else job["project_id"] != one.project:
                got = f"job {job['id']} of task {job['task_id']} in project {job['project_id']}"
                raise Unavailable(f"{one.url}: got {got}, which was not asked for; expected the JSON filter of CVAT 2 to hold")

    def _item(self, job: Json, updated_at: datetime) -> Item:
        status = self._status(job)
        state = f"{job['stage']}, {job['state']}"
        if status == "skipped":
            state += f" ({job.get('dimension', '2d')} {job['type']} job)"
        images = int(job.get("frame_count") or job["stop_frame"] - job["start_frame"] + 1)
        return Item(f"job-{job['id']}", f"{job['updated_date']} {status}", status, state, updated_at, images, job)

    def _status(self, job: Json) -> Status:
        if job.get("type", "annotation") not in self.settings.job_types or job.get("dimension", "2d") != "2d":
            return "skipped"
        finished, annotators = self.settings.finished, self.settings.annotators
        is_done = job["stage"] in finished.stages and job["state"] in finished.states
        return "finished" if is_done and (annotators is None or _assignee(job) in annotators) else "waiting"

    async def _job(self, number: int) -> tuple[Job, dict[str, bytes]]:
        """All that is said of a job, and the answers as they came. The job comes last: so a change meanwhile is seen."""
        ask, at = self.api.ask, f"api/jobs/{number}"
        _, annotations = await ask(f"{at}/annotations/", lambda client: client.jobs_api.retrieve_annotations(number, **RAW))
        meta, meta_body = await ask(f"{at}/data/meta", lambda client: client.jobs_api.retrieve_data_meta(number, **RAW))
        job, job_body = await ask(at, lambda client: client.jobs_api.retrieve(number, **RAW))
        labels, labels_body = await self._labels_of(job)
        who = {"annotator": None, "reviewer": None} | {self.settings.assignee_is: _assignee(job)}
        like = Shape(
            "other", None, NO_BOX, "", annotator=who["annotator"], reviewer=who["reviewer"], job=str(number),
            drawn_at=utc_text(job["updated_date"]), guideline=await self._guideline(job),
            reviewed_at=utc_text(job["updated_date"]) if who["reviewer"] else None,
        )  # fmt: skip
        bodies = {"job": job_body, "data_meta": meta_body, "labels": labels_body, "annotations": annotations}
        return Job(job, meta, labels, like), bodies

    async def _labels_of(self, job: Json) -> tuple[list[Json], bytes]:
        """Of the project or task: asked once."""
        key = job.get("project_id") or ("task", job["task_id"])
        async with self._asking:
            if key not in self._labels:
                scope = in_organization(job)
                self._labels[key] = await self.api.every(
                    "api/labels", lambda client, page: client.labels_api.list(page=page, **scope, **RAW)
                )
        return self._labels[key]

    async def _guideline(self, job: Json) -> str | None:
        guide = job.get("guide_id")
        if self.settings.guideline is not None or guide is None:
            return self.settings.guideline
        async with self._asking:
            if guide not in self._guides:
                found, _ = await self.api.ask(f"api/guides/{guide}", lambda client: client.guides_api.retrieve(guide, **RAW))
                self._guides[guide] = f"guide {guide} of {found['updated_date']}"
        return self._guides[guide]


def _assignee(job: Json) -> str | None:
    return (job.get("assignee") or {}).get("username")
