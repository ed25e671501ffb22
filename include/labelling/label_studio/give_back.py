"""Rejected labels go back to Label Studio, where the annotator of the task sees them.

The enterprise edition has comments on annotations (as its SDK calls them; not tried). The open-source server has none, and no
way to open a task again for who drew it: there, the rejected regions come as a prediction beside the annotation, each with its
reason in the region's note, and the task's `meta.visionloop` says all, also what is of no region. The Data Manager finds these
tasks by the prediction's model version.
"""

from __future__ import annotations

from collections.abc import Sequence

from include.labelling.items import Objection
from include.labelling.label_studio.shapes import Json
from include.labelling.web import Web

MODEL_VERSION = "visionloop: returned"


async def return_to(web: Web, task: int, said: Sequence[Objection]) -> str:
    """What was done. What was said already, as its mark tells, is not said again."""
    # an answer may be lost after the server has kept what we said: what is there is asked again before each try
    return await web.patiently(f"{web.url}/api/tasks/{task}/", lambda: _return_once(web, task, said))


async def _return_once(web: Web, task: int, said: Sequence[Objection]) -> str:
    found: Json = await web.ask("GET", f"api/tasks/{task}/")
    commented = await _comment(web, found, said)
    if commented is not None:
        return f"task {task}: {commented} comments made, {len(said) - commented} there already"
    known = {region.get("id") for one in found.get("predictions") or [] for region in one.get("result") or []}
    drawn = _regions(found)
    wanted = [
        {**region, "id": one.mark, "meta": {"text": one.message.splitlines()}}
        for one in said
        for region in drawn.get(one.annotation_id or "", [])
        if one.mark not in known
    ]
    if wanted:
        body = {"task": task, "model_version": MODEL_VERSION, "result": wanted}
        await web.once("POST", "api/predictions/", json=body)
    meta = found.get("meta") or {}
    noted = meta.get("visionloop") or {}
    news = {one.mark: one.message for one in said if one.mark not in noted}
    if news:
        await web.ask("PATCH", f"api/tasks/{task}/", json={"meta": {**meta, "visionloop": {**noted, **news}}})
    regions = len({region["id"] for region in wanted})
    return f"task {task}: {regions} regions shown as a prediction, {len(news)} notes made, {len(said) - len(news)} there already"


def _regions(task: Json) -> dict[str, list[Json]]:
    """The results of each region, by what the connector calls it."""
    found: dict[str, list[Json]] = {}
    for annotation in task.get("annotations") or []:
        for position, result in enumerate(annotation.get("result") or []):
            found.setdefault(f"{annotation['id']}/{result.get('id') or f'result-{position}'}", []).append(result)
    return found


async def _comment(web: Web, task: Json, said: Sequence[Objection]) -> int | None:
    """How many comments were made; None where the server has no comments."""
    made = 0
    annotations = [str(one["id"]) for one in task.get("annotations") or []]
    for annotation in annotations:
        try:
            answer = await web.ask("GET", "api/comments/", params={"annotation": annotation})
        except FileNotFoundError:
            return None
        texts = "\n".join(str(one.get("text")) for one in (answer if isinstance(answer, list) else answer["results"]))
        for one in said:
            of = (one.annotation_id or "").partition("/")[0] or annotations[0]
            if of == annotation and one.mark not in texts:
                await web.once("POST", "api/comments/", json={"annotation": int(annotation), "text": one.message})
                made += 1
    return made
