"""Rejected labels go back to CVAT: an issue on the frame where each one is, and the job opens for its annotator again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from include.labelling.cvat.api import RAW, Api, in_organization
from include.labelling.cvat.shapes import Job, Json, pictures
from include.labelling.items import Objection, Picture
from include.labelling.web import parsed

OPEN = ("new", "in progress", "rejected")


async def return_to(api: Api, job: Job, annotations: Json, said: Sequence[Objection]) -> str:
    """What was done. An issue that says the same already is not made again, but opened if it was resolved."""
    number = job.job["id"]
    there = {picture.name: picture for picture in pictures(job, annotations)[0]}
    done: dict[str, int] = {}

    async def once() -> None:
        # an answer may be lost after the server has made the issue: what is there is asked again before each try
        done.update({"issues made": 0, "opened again": 0, "there already": 0, "of no frame any more": 0})
        issue_of, resolved = await _issues(api, job.job)
        for one in said:
            if (picture := there.get(one.picture)) is None:
                done["of no frame any more"] += 1
            elif (issue := issue_of.get(one.mark)) is None:
                await _make(api, number, one, picture)
                done["issues made"] += 1
            elif issue in resolved:
                await _patch_issue(api, issue)
                done["opened again"] += 1
            else:
                done["there already"] += 1

    await api.web.patiently(f"{api.web.url}/api/issues", once)
    counts = ", ".join(f"{count} {what}" for what, count in done.items() if count)
    return f"job {number}: {counts or 'nothing to say'}; {await _open(api, number)}"


async def _issues(api: Api, job: Json) -> tuple[dict[str, int], set[int]]:
    """Mark → issue that has it, and the issues that are resolved."""
    scope = {**in_organization(job), **RAW}
    comments, _ = await api.every("api/comments", lambda client, page: client.comments_api.list(page=page, **scope))
    issues, _ = await api.every("api/issues", lambda client, page: client.issues_api.list(page=page, **scope))
    marks = {
        line.strip("[]"): comment["issue"]
        for comment in comments
        for line in comment["message"].splitlines()
        if line.startswith("[visionloop-")
    }
    return marks, {issue["id"] for issue in issues if issue.get("resolved")}


async def _make(api: Api, number: int, one: Objection, picture: Picture) -> None:
    from cvat_sdk.api_client.models import IssueWriteRequest

    request = IssueWriteRequest(frame=picture.address["frame"], position=_position(one, picture), job=number, message=one.message)
    parsed(await asyncio.to_thread(api.body, "api/issues", lambda client: client.issues_api.create(request, **RAW)))


def _position(one: Objection, picture: Picture) -> list[float]:
    """The corners of the box around the label, x0 y0 x1 y1, or of the place that is meant; else of the whole picture."""
    boxes = [shape.box_px for shape in picture.shapes if one.annotation_id and shape.annotation_id == one.annotation_id]
    boxes += [one.box_px] if one.box_px else []
    x, y, width, height = boxes[0] if boxes and not math.isnan(boxes[0][0]) else (0.0, 0.0, picture.width_px, picture.height_px)
    return [x, y, x + width, y + height]


async def _patch_issue(api: Api, issue: int) -> None:
    from cvat_sdk.api_client.models import PatchedIssueWriteRequest

    request = PatchedIssueWriteRequest(resolved=False)
    await api.ask(
        f"api/issues/{issue}",
        lambda client: client.issues_api.partial_update(issue, patched_issue_write_request=request, **RAW),
    )


async def _open(api: Api, number: int) -> str:
    from cvat_sdk.api_client.models import JobStage, OperationStatus, PatchedJobWriteRequest

    now, _ = await api.ask(f"api/jobs/{number}", lambda client: client.jobs_api.retrieve(number, **RAW))
    if now["stage"] == "annotation" and now["state"] in OPEN:
        return "it is open already"
    request = PatchedJobWriteRequest(stage=JobStage("annotation"), state=OperationStatus("in progress"))
    await api.ask(
        f"api/jobs/{number}",
        lambda client: client.jobs_api.partial_update(number, patched_job_write_request=request, **RAW),
    )
    return "back to annotation, in progress"
